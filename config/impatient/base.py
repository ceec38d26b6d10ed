"""The backend itself: Django's own, whose driver makes connections that do not wait without end."""

from django.db.backends.postgresql import base

from config.patience import ImpatientDriver


class DatabaseWrapper(base.DatabaseWrapper):
    """What Django asks for as ``django.db.connection``."""

    Database = ImpatientDriver()  # type: ignore[assignment]  # Django asks it for no more than the module has
