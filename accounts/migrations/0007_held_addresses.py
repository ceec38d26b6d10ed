from django.db import migrations, models

import gatehouse.fields
from gatehouse.text import normalise_email


def hold(apps, schema_editor):
    """Hold the addresses that accounts have left so far, too."""
    Link = apps.get_model("accounts", "Link")
    links = Link.objects.using(schema_editor.connection.alias).filter(purpose="address_undo", open_key__isnull=False)
    for link in links.iterator():
        link.held_key = normalise_email(link.email)[1]
        link.save(update_fields=["held_key"])


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_unlock_links"),
    ]

    operations = [
        migrations.AddField(
            model_name="link",
            name="held_key",
            field=gatehouse.fields.KeyField(max_length=320, null=True),
        ),
        migrations.RunPython(hold, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="link",
            index=models.Index(fields=["held_key"], name="accounts_link_held_key"),
        ),
    ]
