"""How another service signs its requests in: by a key of its own, at views that are for services."""

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.services import api_keys
from accounts.services.api_keys import Service
from gatehouse import apikeys, limits
from gatehouse.client import client_of
from gatehouse.conf import app_settings


class ServiceAuthentication(BaseAuthentication):
    """``Authorization: Bearer ghk_…``: the key of another service; what is no key is left to the next class.

    A view that takes keys names this class before others and says ``takes_api_keys = True``. Its ``request.auth`` is a
    Service then, and its user nobody: what is for people stays closed. Every other view refuses keys.
    """

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Service] | None:
        text = apikeys.presented(request)
        if text is None:
            return None
        service = api_keys.recognise(text=text, client=client_of(request))
        number = service.limit_per_minute or app_settings().LIMIT_SERVICE
        limits.take_own(request, ("service_key", str(service.id)), number)
        return AnonymousUser(), service

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
