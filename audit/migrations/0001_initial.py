import django.core.serializers.json
from django.db import migrations, models

import audit.columns
import gatehouse.fields


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Event",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("timestamp", models.DateTimeField(db_default=audit.columns.DatabaseClock(), editable=False)),
                ("event_type", models.CharField(max_length=50)),
                ("action", gatehouse.fields.KeyField(max_length=100)),
                ("user_id", gatehouse.fields.KeyField(blank=True, max_length=255, null=True)),
                ("actor_type", models.CharField(max_length=20)),
                ("actor_id", gatehouse.fields.KeyField(blank=True, max_length=255, null=True)),
                ("actor_label", models.CharField(blank=True, default="", max_length=150)),
                ("email", models.CharField(blank=True, max_length=254, null=True)),
                ("resource", gatehouse.fields.KeyField(blank=True, default="", max_length=1000)),
                ("success", models.BooleanField()),
                ("failure_reason", models.CharField(blank=True, default="", max_length=50)),
                ("error_message", models.TextField(blank=True, default="")),
                (
                    "details",
                    models.JSONField(blank=True, default=dict, encoder=django.core.serializers.json.DjangoJSONEncoder),
                ),
                ("ip_address", gatehouse.fields.KeyField(blank=True, max_length=45, null=True)),
                ("user_agent", models.CharField(blank=True, default="", max_length=500)),
                ("request_id", gatehouse.fields.KeyField(blank=True, default="", max_length=64)),
                ("session_id", gatehouse.fields.KeyField(blank=True, max_length=64, null=True)),
            ],
            options={
                "db_table": "audit_event",
                "default_permissions": ("view",),
                "base_manager_name": "objects",
                "indexes": [
                    models.Index(fields=["timestamp"], name="audit_event_timestamp"),
                    models.Index(fields=["event_type", "timestamp"], name="audit_event_type_timestamp"),
                    models.Index(fields=["user_id", "timestamp"], name="audit_event_user_timestamp"),
                    models.Index(fields=["actor_type", "actor_id", "timestamp"], name="audit_event_actor_timestamp"),
                    models.Index(fields=["success", "timestamp"], name="audit_event_ok_timestamp"),
                    models.Index(fields=["action"], name="audit_event_action"),
                    audit.columns.PrefixIndex(
                        fields=["resource"], name="audit_event_resource", opclasses=["varchar_pattern_ops"]
                    ),
                ],
            },
        ),
    ]
