"""People, their mailboxes and their clients: what every test of accounts begins with."""

import json
import re
import time
from datetime import datetime
from typing import Any

import factory
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.test import Client as Browser
from django.utils import timezone
from django_otp.oath import TOTP

from accounts import outbox, passwords
from accounts.models import Status, TotpDevice, User
from accounts.roles import STAFF_ROLES, Role
from accounts.services import factors
from audit.models import Event
from gatehouse.client import Client

EMAIL = "jane@example.com"
PASSWORD = "correct horse battery staple"
ROOT = "/api/v1"
_LINK = re.compile(r"^(http://testserver/account/[\w/]+/([\w-]{43}))$", re.MULTILINE)
_CODE = re.compile(r"^(\d{6})\b", re.MULTILINE)
_TURNS = 2  # a request for a mail becomes that mail first


class UserFactory(factory.django.DjangoModelFactory):
    """An account whose address is proved and whose password is PASSWORD, unless a trait says otherwise."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    class Params:
        unverified = factory.Trait(status=Status.INACTIVE, email_verified_at=None)
        disabled = factory.Trait(status=Status.DISABLED, disabled_at=factory.LazyFunction(timezone.now))
        deleted = factory.Trait(status=Status.DELETED, deleted_at=factory.LazyFunction(timezone.now))
        staff = factory.Trait(role=Role.ADMIN)
        invited = factory.Trait(password="!")  # nobody has set a password yet

    email = factory.Sequence(lambda number: f"person{number}@example.com")
    display_name = "Jane Roe"
    role = Role.USER
    status = Status.ACTIVE
    is_active = factory.LazyAttribute(lambda made: made.status == Status.ACTIVE)
    is_staff = factory.LazyAttribute(lambda made: made.role in STAFF_ROLES)
    email_verified_at = factory.LazyFunction(timezone.now)
    password = factory.LazyFunction(lambda: passwords.hash_new_password(PASSWORD))
    password_changed_at = factory.LazyFunction(timezone.now)
    terms_version = "1"
    terms_given_at = factory.LazyFunction(timezone.now)

    @factory.post_generation
    def app(self, create: bool, wanted: Any, **_given: Any) -> None:
        """With ``app=True`` the account has an authenticator app and recovery codes: see code_of()."""
        if wanted:
            self.recovery = give_app(self)  # type: ignore[attr-defined]


def give_app(user: Any) -> list[str]:
    """Put an authenticator app of *user* in force, and return the recovery codes."""
    client = Client.local("test")
    factors.begin_totp(user=user, name="Phone", client=client)
    device = TotpDevice.objects.get(user=user, confirmed=False)
    with transaction.atomic():
        made = factors.new_recovery_codes(user=user, client=client, now=timezone.now())
        TotpDevice.objects.filter(pk=device.pk).update(confirmed=True, confirmed_at=timezone.now())
    return made


def code_of(user: Any, steps: int = 0) -> str:
    """Return what the app of *user* shows, or showed or will show so many *steps* away."""
    return shown_by(TotpDevice.objects.get(user=user, confirmed=True), steps)


def shown_by(device: Any, steps: int = 0) -> str:
    """Return what *device*, confirmed or not, shows."""
    reader = TOTP(device.key, step=factors.STEP, digits=factors.DIGITS)
    reader.time = time.time() + steps * factors.STEP
    return f"{reader.token():06d}"


class Mailbox:
    """What arrives once the worker has sent what is due."""

    def __init__(self) -> None:
        self._read = 0

    def all(self, to: str | None = None) -> list[EmailMultiAlternatives]:
        """Return every mail that came, or those for *to*."""
        for _turn in range(_TURNS):
            outbox.send_due(limit=1000)
        return [one for one in mail.outbox if to is None or one.to == [to]]  # type: ignore[misc]

    def subjects(self, to: str | None = None) -> list[str]:
        """Return the subjects of the mails, oldest first."""
        return [str(one.subject) for one in self.all(to)]

    def newest(self, to: str = EMAIL) -> str:
        """Return the text of the newest mail for *to*."""
        return str(self.all(to)[-1].body)

    def code(self, to: str = EMAIL) -> str:
        """Return the code in the newest mail for *to*."""
        found = _CODE.search(self.newest(to))
        assert found, self.newest(to)
        return found[1]

    def token(self, to: str = EMAIL) -> str:
        """Return the token in the newest mail for *to*: the last segment of a link alone on its line."""
        found = _LINK.search(self.newest(to))
        assert found, self.newest(to)
        return found[2]


class Api:
    """A client of the API, with a token once it is signed in."""

    def __init__(self, **headers: str) -> None:
        self.browser = Browser(raise_request_exception=False, headers={"user-agent": "curl/8.5", **headers})
        self.mailbox = Mailbox()

    def post(self, path: str, data: Any = None, **headers: str) -> Any:
        """POST *data* as JSON; bytes and texts go as they are."""
        return self.send("POST", path, data, **headers)

    def get(self, path: str, **headers: str) -> Any:
        return self.send("GET", path, None, **headers)

    def send(
        self, method: str, path: str, data: Any = None, content_type: str = "application/json", **headers: str
    ) -> Any:
        """Send a request; *headers* are written with underscores, or an ``ip`` to come from."""
        ip = headers.pop("ip", "192.0.2.7")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = "" if data is None else data
        return self.browser.generic(
            method,
            f"{ROOT}{path}",
            body if isinstance(body, (bytes, str)) else json.dumps(body),
            content_type=content_type,
            headers=named,
            REMOTE_ADDR=ip,
        )

    def register(self, email: str = EMAIL, password: str = PASSWORD, **more: Any) -> Any:
        return self.post("/auth/register", {"email": email, "password": password, "accept_terms": True} | more)

    def verify(self, email: str = EMAIL) -> Any:
        return self.post("/auth/verify-email", {"token": self.mailbox.token(email)})

    def login(self, email: str = EMAIL, password: str = PASSWORD, ip: str = "192.0.2.7", **more: Any) -> Any:
        return self.post("/auth/login", {"email": email, "password": password} | more, ip=ip)

    def challenge(self, email: str = EMAIL, **more: Any) -> str:
        """Give the right password and return the challenge's id."""
        return str(self.login(email, **more).json()["challenge"]["id"])

    def answer(self, challenge: str, code: str, **more: Any) -> Any:
        return self.post("/auth/otp/verify", {"challenge_id": challenge, "code": code} | more)

    def sign_in(self, email: str = EMAIL, **more: Any) -> dict[str, Any]:
        """Sign in with the mailed code, and return the body of the answer."""
        answer = self.answer(self.challenge(email), self.mailbox.code(email), **more)
        assert answer.status_code == 200, answer.content
        body: dict[str, Any] = answer.json()
        return body


def bearer(body: dict[str, Any]) -> dict[str, str]:
    """Return the headers of whoever holds the tokens of *body*, the answer to a sign-in."""
    return {"authorization": f"Bearer {body['access_token']}"}


def trail(since: int = 0) -> list[tuple[Any, ...]]:
    """Return what the audit trail holds, oldest first: the action, and for a failure its reason."""
    rows = Event.objects.filter(pk__gt=since).order_by("pk")
    return [(row.action,) if row.success else (row.action, row.failure_reason) for row in rows]


def mark() -> int:
    """Return the id of the newest event, for trail()."""
    newest = Event.objects.order_by("-pk").values_list("pk", flat=True).first()
    return newest or 0


def problem(code: str, status: int, answer: Any) -> dict[str, Any]:
    """Hold *answer* to the shape of a problem of *code*, and return its members besides the common ones."""
    assert answer.status_code == status, (answer.status_code, answer.content)
    assert answer["Content-Type"] == "application/problem+json"
    body = dict(answer.json())
    common = {name: body.pop(name) for name in ("type", "title", "status", "detail", "code", "request_id")}
    assert (common["code"], common["status"]) == (code, status), common
    assert common["type"] == f"http://testserver/problems/{code}"
    assert common["title"] and common["detail"]
    assert common["request_id"] == answer["X-Request-ID"]
    return dict(body)


def refused_fields(answer: Any) -> dict[str, str]:
    """Return the pointers of a refused body with their codes."""
    errors = problem("validation_failed", 400, answer).pop("errors")
    assert all(set(error) == {"pointer", "code", "detail"} and error["detail"] for error in errors)
    return {error["pointer"]: error["code"] for error in errors}


def moment(text: str) -> datetime:
    """Read a time of the API: RFC 3339, in UTC, with Z."""
    assert text.endswith("Z"), text
    return datetime.fromisoformat(text)
