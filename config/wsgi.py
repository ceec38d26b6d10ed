"""The WSGI application that gunicorn serves."""

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from config import env, patience

env.prepare()

application = get_wsgi_application()
patience.hurry(settings.DATABASES["default"])
