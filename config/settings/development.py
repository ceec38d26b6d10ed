"""Development: needs no variable. Mails are kept for ``/dev/mail/``, templates are read anew on every request."""

from config.refusals import refuse
from config.settings.base import *
from config.settings.base import ALLOWED_HOSTS, ENV, STORAGES, TEMPLATES, VAR_DIR

ALLOWED_HOSTS = list(dict.fromkeys([*ALLOWED_HOSTS, "localhost", "127.0.0.1", "[::1]"]))
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
TEMPLATES[0].pop("APP_DIRS")
TEMPLATES[0]["OPTIONS"]["loaders"] = [
    "django.template.loaders.filesystem.Loader",
    "django.template.loaders.app_directories.Loader",
]

DEVELOPMENT_MAILBOX = str(VAR_DIR / "mail")

refuse(ENV.check())
