from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from audit import immutability


def install(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    immutability.install(schema_editor.connection)


def uninstall(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    immutability.uninstall(schema_editor.connection)


class Migration(migrations.Migration):
    """Make the trail append-only. After each later migrate the same function runs again."""

    # MariaDB commits at each of these statements, so there is no transaction to be in.
    atomic = False

    dependencies = [("audit", "0001_initial")]

    operations = [migrations.RunPython(install, uninstall, atomic=False)]
