from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_erasure"),
    ]

    operations = [
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
                    ("address", "Address"),
                    ("address_undo", "Address Undo"),
                ],
                max_length=20,
            ),
        ),
    ]
