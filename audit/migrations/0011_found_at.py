import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def begin_anew(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Have the worker enter every event once more: what stands in the side table is made from the trail."""
    apps.get_model("audit", "Entered").objects.using(schema_editor.connection.alias).all().delete()


class Migration(migrations.Migration):
    """Give the side table of searches the moments of events, and its rows a way to join them."""

    dependencies = [
        ("audit", "0010_archive"),
    ]

    operations = [
        migrations.RunPython(begin_anew, begin_anew),
        migrations.DeleteModel(name="Index"),
        migrations.CreateModel(
            name="Index",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "event",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="found_at",
                        to="audit.event",
                    ),
                ),
                ("timestamp", models.DateTimeField()),
                ("kind", models.CharField(max_length=5)),
                ("digest", models.CharField(max_length=32)),
                ("key_id", models.UUIDField()),
            ],
            options={
                "db_table": "audit_index",
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["digest", "timestamp", "event"], name="audit_index_digest"),
                    models.Index(fields=["key_id", "event"], name="audit_index_key"),
                ],
            },
        ),
    ]
