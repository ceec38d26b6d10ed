from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_disavowal_and_reset"),
    ]

    operations = [
        migrations.AddField(
            model_name="consent",
            name="purpose",
            field=models.CharField(default="terms", max_length=40),
        ),
    ]
