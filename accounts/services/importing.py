"""Taking in the accounts of another system, batch by batch."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, reset_queries, transaction
from django.utils import timezone

from accounts import events, suppression
from accounts.imports.candidates import Candidate, examine
from accounts.imports.formats import Row
from accounts.imports.refusals import Code, Refusal
from accounts.imports.seen import Seen, remembering
from accounts.models import Consent, Link, Status, User
from accounts.signals import announce
from gatehouse.client import Client
from gatehouse.deadlocks import again_after_deadlock
from gatehouse.events import Actor, together
from gatehouse.problems import Problem

BATCH = 500  # rows of one transaction


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of candidates: new ones, those that are there already, and those whose address is another's."""

    new: list[Candidate]
    present: list[Candidate]
    refused: list[Refusal]


class Import:
    """One run over the rows of a file: its attributes say how far it came."""

    def __init__(
        self,
        rows: Iterable[Row | Refusal],
        *,
        client: Client,
        actor: Actor,
        batch: int = BATCH,
        allow_erased: bool = False,
    ) -> None:
        self.taken = self.present = self.refused = 0
        self._rows, self._batch, self._allow_erased = iter(rows), batch, allow_erased
        self._client, self._actor = client, actor

    def steps(self) -> Iterator[list[Refusal]]:
        """Do a batch at each step, in one transaction; yield the rows of it that were refused.

        The run may be left after any step, or killed: whole batches are in, and the next run over the same file
        passes over them. Raises Unreadable, service_unavailable.
        """
        with remembering() as seen:
            while rows := list(islice(self._rows, self._batch)):
                fit, refused = _examine_all(rows, seen, timezone.now())
                if fit:
                    settled = self._settle(fit)
                    self.taken += len(settled.new)
                    self.present += len(settled.present)
                    refused += settled.refused
                self.refused += len(refused)
                reset_queries()  # with DEBUG, Django keeps the text of thousands of statements
                yield sorted(refused, key=lambda refusal: refusal.line)

    def conclude(self) -> None:
        """Record what was done, where something was."""
        if not (self.taken or self.refused):
            return
        with transaction.atomic(durable=True):
            announce(
                events.ImportEnded(
                    client=self._client,
                    actor=self._actor,
                    taken=self.taken,
                    present=self.present,
                    refused=self.refused,
                )
            )

    def _settle(self, fit: Sequence[Candidate]) -> Settled:
        return take_in(candidates=fit, client=self._client, actor=self._actor, allow_erased=self._allow_erased)


class Rehearsal(Import):
    """The same run, which changes nothing and records nothing."""

    def conclude(self) -> None:
        """Leave no row."""

    def _settle(self, fit: Sequence[Candidate]) -> Settled:
        return settle(fit, allow_erased=self._allow_erased)


def take_in(*, candidates: Sequence[Candidate], client: Client, actor: Actor, allow_erased: bool = False) -> Settled:
    """Make accounts of those *candidates* whose address nobody has, all of them or none, each with its event.

    An address whose account was erased is refused, but with *allow_erased*.

    No mail is sent. Whoever signs up with one of the addresses at the same moment was first. Raises
    service_unavailable.
    """
    for _try in range(len(candidates) + 1):  # each one that fails found one more address taken since it looked
        try:
            return _write(candidates, client, actor, allow_erased=allow_erased)
        except IntegrityError:
            continue
    raise Problem("service_unavailable", retry_after=1)


def settle(candidates: Sequence[Candidate], *, allow_erased: bool = False) -> Settled:
    """Tell which *candidates* are new, and which are there already; changes nothing."""
    keys = [candidate.key for candidate in candidates]
    held = User.objects.filter(email_key__in=keys).values_list("email_key", "password", "created_at")
    accounts = {key: (password, created_at) for key, password, created_at in held}
    left = set(Link.objects.holding(keys, timezone.now()).values_list("held_key", flat=True))
    erased = set() if allow_erased else suppression.among(keys)
    settled = Settled([], [], [])
    for candidate in candidates:
        account = accounts.get(candidate.key)
        if account is None and (candidate.key in left or candidate.key in erased):
            code = Code.ADDRESS_HELD if candidate.key in left else Code.ERASED
            settled.refused.append(Refusal(candidate.line, code, "email", candidate.email))
        elif account is None:
            settled.new.append(candidate)
        elif _is_same(candidate, *account):
            settled.present.append(candidate)
        else:
            settled.refused.append(Refusal(candidate.line, Code.ADDRESS_TAKEN, "email", candidate.email))
    return settled


@again_after_deadlock
def _write(candidates: Sequence[Candidate], client: Client, actor: Actor, *, allow_erased: bool) -> Settled:
    now = timezone.now()
    with transaction.atomic(durable=True), together():
        settled = settle(candidates, allow_erased=allow_erased)
        users = User.objects.bulk_create([_account(candidate, now) for candidate in settled.new])
        Consent.objects.bulk_create(
            Consent(user=user, version=user.terms_version, granted=True, at=user.terms_given_at)
            for user in users
            if user.terms_given_at
        )
        for user, candidate in zip(users, settled.new, strict=True):
            announce(
                events.AccountImported(
                    client=client,
                    actor=actor,
                    user_id=str(user.pk),
                    email=user.email,
                    verified=user.email_verified,
                    scheme=candidate.scheme,
                )
            )
    return settled


def _examine_all(rows: list[Row | Refusal], seen: Seen, now: datetime) -> tuple[list[Candidate], list[Refusal]]:
    """Part the rows that are fit from those that are not; the first of an address is, the later ones are not."""
    fit: list[Candidate] = []
    refused: list[Refusal] = []
    for row in rows:
        found = examine(row, now) if isinstance(row, Row) else row
        if isinstance(found, Refusal):
            refused.append(found)
        elif first := seen.note(found.key, found.line):
            refused.append(Refusal(found.line, Code.DUPLICATE, "email", found.email, first))
        else:
            fit.append(found)
    return fit, refused


def _is_same(candidate: Candidate, password: str, created_at: datetime) -> bool:
    """Tell whether the account with these columns was made of *candidate* by an earlier run.

    The hash says so until its owner signs in, which replaces it; the time of creation, where the file has it, always.
    """
    if candidate.encoded is not None and password == candidate.encoded:
        return True
    if candidate.created_at is not None:
        return candidate.created_at == created_at
    return candidate.encoded is None and password.startswith("!")


def _account(candidate: Candidate, now: datetime) -> User:
    made = candidate.created_at or now
    user = User(
        email=candidate.email,
        email_key=candidate.key,
        display_name=candidate.display_name,
        password=candidate.encoded or make_password(None),
        created_at=made,
        email_verified_at=candidate.verified_at,
    )
    user.set_role(candidate.role)
    user.set_status(Status.ACTIVE if candidate.verified_at else Status.INACTIVE)
    if candidate.terms_version:
        user.terms_version, user.terms_given_at = candidate.terms_version, made
    return user
