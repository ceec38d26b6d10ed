"""Pages that ask again who one is, and go on where they were interrupted (ASVS 7.5.1, 7.5.3).

What was typed waits in the browser's session, encrypted and for half an hour: a new address is nobody else's business.
Passwords and codes never wait: they are typed again.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from django.forms import PasswordInput
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.utils import timezone

from accounts.pages import sealed
from accounts.pages.forms import ForgetfulInput, PageForm
from accounts.pages.steps import FormPage, SignedInOnly, principal_of, see_other
from accounts.services.reauthentication import owes_app
from sessions_app.principal import Principal

_KEY = "interrupted"
_LONGEST = 20_000  # characters that wait; a longer text is typed again


class FreshOnly(SignedInOnly, FormPage):
    """A form that opens to a fresh proof of identity only; ``purpose`` completes "Confirm your password to …"."""

    purpose: ClassVar[Any] = ""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        found, now = principal_of(request), timezone.now()
        if found is not None and not self.is_proved(found, now):
            return self._interrupt(request, now)
        return super().dispatch(request, *args, **kwargs)

    def is_proved(self, found: Principal, now: datetime) -> bool:
        """Whether what *found* proved last is enough for this page."""
        return found.is_fresh(now)

    def make_form(self, data: QueryDict | None = None) -> PageForm:
        return self.form_class(data, initial=self.interrupted() if data is None else None)

    def interrupted(self) -> dict[str, Any]:
        """Return what was typed here before identity was asked for, once."""
        return _take(self.request, timezone.now())

    def _interrupt(self, request: HttpRequest, now: datetime) -> HttpResponse:
        typed = _worth_keeping(self.form_class, request.POST) if request.method == "POST" else {}
        _hold(request, typed=typed, purpose=str(self.purpose), now=now)
        return see_other("accounts:reauthenticate", next=request.get_full_path())


class ProvedOnly(FreshOnly):
    """The same for a change of factors or address: where an app is set up, it was part of that proof."""

    def is_proved(self, found: Principal, now: datetime) -> bool:
        return super().is_proved(found, now) and not owes_app(user=found.user, session=found.session)


def interrupted_at(request: HttpRequest, path: str) -> dict[str, Any]:
    """Return what the form at *path* was interrupted for, and whether something typed there waits."""
    held = sealed.held_in(request, _KEY, now=timezone.now())
    if held.get("path") != path:
        return {"purpose": "", "typed": False}
    return {"purpose": str(held["purpose"]), "typed": any(any(values) for values in held["typed"].values())}


def _worth_keeping(form_class: type[PageForm], data: QueryDict) -> dict[str, list[str]]:
    fields: Mapping[str, Any] = form_class.base_fields
    secret = (PasswordInput, ForgetfulInput)
    return {name: data.getlist(name) for name in data if name in fields and not isinstance(fields[name].widget, secret)}


def _hold(request: HttpRequest, *, typed: dict[str, list[str]], purpose: str, now: datetime) -> None:
    if len(json.dumps(typed)) > _LONGEST:
        typed = {}
    sealed.hold(request, _KEY, {"path": request.get_full_path(), "purpose": purpose, "typed": typed}, now=now)


def _take(request: HttpRequest, now: datetime) -> dict[str, Any]:
    held = sealed.held_in(request, _KEY, now=now)
    if held.get("path") != request.get_full_path():
        return {}
    del request.session[_KEY]
    return {name: values if len(values) > 1 else values[0] for name, values in held["typed"].items() if values}
