"""What stands at the root of a host: the public keys, where others verify tokens."""

from django.urls import path

from sessions_app import jwks

urlpatterns = [path(".well-known/jwks.json", jwks.key_set, name="jwks")]
