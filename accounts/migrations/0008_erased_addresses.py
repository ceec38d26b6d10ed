from django.db import migrations, models

import gatehouse.fields


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_held_addresses"),
    ]

    operations = [
        migrations.CreateModel(
            name="ErasedAddress",
            fields=[
                ("digest", gatehouse.fields.KeyField(max_length=64, primary_key=True, serialize=False)),
                ("erased_on", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["erased_on"], name="accounts_erased_on")],
            },
        ),
    ]
