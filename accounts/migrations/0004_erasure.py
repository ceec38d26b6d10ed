from datetime import timedelta

from django.db import migrations, models
from django.utils import timezone

GRACE = timedelta(days=14)


def set_due(apps, schema_editor):
    """Have the accounts that staff deleted before there was an erasure erased after the whole time of grace."""
    User = apps.get_model("accounts", "User")
    deleted = User.objects.using(schema_editor.connection.alias).filter(status="deleted", erase_at__isnull=True)
    deleted.update(erase_at=timezone.now() + GRACE)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_consent_purpose"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="deleted_reason",
            field=models.CharField(blank=True, default="", editable=False, max_length=500),
        ),
        migrations.AddField(
            model_name="user",
            name="erase_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="user",
            name="erased_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AlterField(
            model_name="link",
            name="purpose",
            field=models.CharField(
                choices=[
                    ("verify", "Verify"),
                    ("enrol", "Enrol"),
                    ("reset", "Reset"),
                    ("disavow", "Disavow"),
                    ("undo_deletion", "Undo Deletion"),
                ],
                max_length=20,
            ),
        ),
        migrations.RunPython(set_due, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(fields=["erase_at"], name="accounts_user_erase_at"),
        ),
    ]
