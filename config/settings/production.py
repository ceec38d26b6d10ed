"""Production: refuses to start while a setting is missing or unsafe, and names every one of them at once."""

from config import refusals
from config.settings.base import *
from config.settings.base import ENV

refusals.refuse(refusals.faults(ENV))

SECURE_SSL_REDIRECT = True
# believed only from TRUSTED_PROXIES: gatehouse.client drops it from everybody else before anything reads it
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REDIRECT_EXEMPT = [r"^api/", r"^health(/|$)"]  # the API refuses plain http, health is asked from inside
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
