"""Which systems get events, as AUDIT["WEBHOOKS"] names them, and the signature by which they know us."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from gatehouse.conf import app_settings as ground

from .conf import app_settings
from .kinds import event_types
from .models import Event

SIGNATURE = "Gatehouse-Signature"
LEAST_SECRET = 32  # characters
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_NEEDED, _OPTIONAL = ("name", "url", "secret"), ("types", "actions", "private")


@dataclass(frozen=True)
class Target:
    """One system that gets events: all of them, or those of some types or actions (``authn_*``)."""

    name: str
    url: str
    secrets: tuple[str, ...]  # new,old: it may know either
    types: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    private: bool = False  # with what tells of people

    def wants(self, event: Event) -> bool:
        """Tell whether *event* is for it."""
        if self.types and event.event_type not in self.types:
            return False
        return not self.actions or any(_matches(event.action, wanted) for wanted in self.actions)

    def signature(self, body: bytes, *, at: int) -> str:
        """Return the header that proves *body* to whoever knows a secret: the time, and a signature by each of them."""
        message = str(at).encode() + b"." + body
        signed = (hmac.digest(secret.encode(), message, hashlib.sha256).hex() for secret in self.secrets)
        return ",".join([f"t={at}", *(f"v1={one}" for one in signed)])


def targets() -> dict[str, Target]:
    """Return the systems that get events, by their names.

    Raises ImproperlyConfigured.
    """
    found: dict[str, Target] = {}
    for given in _given():
        target = _target(given)
        if target.name in found:
            raise ImproperlyConfigured(f"AUDIT['WEBHOOKS'] has two that are called {target.name!r}.")
        found[target.name] = target
    return found


def _given() -> Sequence[Any]:
    given: Any = app_settings().WEBHOOKS
    if isinstance(given, str):
        try:
            given = json.loads(given) if given else []
        except ValueError:
            raise ImproperlyConfigured("AUDIT['WEBHOOKS'] is no JSON.") from None
    if not isinstance(given, list | tuple):
        raise ImproperlyConfigured("AUDIT['WEBHOOKS'] is no list.")
    return given


def _target(given: Any) -> Target:
    if not isinstance(given, Mapping) or not set(_NEEDED) <= set(given) <= {*_NEEDED, *_OPTIONAL}:
        says = f"each has {', '.join(_NEEDED)}, and may have {', '.join(_OPTIONAL)}."
        raise ImproperlyConfigured(f"AUDIT['WEBHOOKS']: {says}")
    name = given["name"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ImproperlyConfigured("AUDIT['WEBHOOKS']: a name is lower case letters, digits, - and _, at most 32.")
    secrets = tuple(part.strip() for part in str(given["secret"]).split(",") if part.strip())
    if not secrets or min(map(len, secrets)) < LEAST_SECRET:
        raise ImproperlyConfigured(f"AUDIT['WEBHOOKS']: the secret of {name} has less than {LEAST_SECRET} characters.")
    types, actions = (_words(given, key) for key in ("types", "actions"))
    if unknown := [kind for kind in types if kind not in event_types()]:
        raise ImproperlyConfigured(f"AUDIT['WEBHOOKS']: {name} names {unknown[0]!r}, which is no type of event.")
    return Target(name, _url(name, given["url"]), secrets, types, actions, given.get("private") is True)


def _words(given: Mapping[str, Any], key: str) -> tuple[str, ...]:
    words = given.get(key, ())
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise ImproperlyConfigured(f"AUDIT['WEBHOOKS']: {key} is a list of names.")
    return tuple(words)


def _url(name: str, url: Any) -> str:
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        sound = bool(parts.hostname) and parts.port != 0 and url.isascii() and url.isprintable() and " " not in url
    except ValueError:
        sound = False
    if not sound or parts.scheme not in ("http", "https") or parts.username or parts.password or parts.fragment:
        raise ImproperlyConfigured(f"AUDIT['WEBHOOKS']: the url of {name} is no address without a user and a fragment.")
    if parts.scheme != "https" and ground().PRODUCTION:
        raise ImproperlyConfigured(f"AUDIT['WEBHOOKS']: {name} has to be reached by https.")
    return str(url)


def _matches(action: str, wanted: str) -> bool:
    return action.startswith(wanted[:-1]) if wanted.endswith("*") else action == wanted
