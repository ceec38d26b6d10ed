"""The WSGI application that gunicorn serves."""

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from config import env, patience

env.prepare()

application = get_wsgi_application()
_ = get_resolver().url_patterns  # so that nobody's first request waits for the views to be read
patience.hurry(settings.DATABASES["default"])
