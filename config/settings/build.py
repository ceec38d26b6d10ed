"""For the image build alone: enough to collect static files, with keys that die with the process."""

import secrets

from config import env, keys

env.isolate({"DATABASE_URL": "sqlite://:memory:", **{name: secrets.token_hex() for name in keys.RINGS}})

from config.settings.base import *  # noqa: E402 - the environment is cut off first
