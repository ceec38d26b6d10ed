"""For the image build alone: enough to collect static files, with a key that dies with the process."""

import secrets

from config import env

env.isolate(
    {"ENVIRONMENT": "development", **dict.fromkeys(("SECRET_KEY", "JWT_SECRET", "MAIL_KEY"), secrets.token_hex())}
)

from config.settings.base import *  # noqa: E402 - the environment is cut off first
