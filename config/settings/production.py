"""Production: refuses to start while a setting is missing or unsafe, and names every one of them at once."""

from config import refusals
from config.settings.base import *
from config.settings.base import ENV

refusals.refuse(refusals.faults(ENV))

SECURE_SSL_REDIRECT = True
SECURE_REDIRECT_EXEMPT = [r"^api/", r"^health(/|$)"]  # the API refuses plain http, health is asked from inside
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
