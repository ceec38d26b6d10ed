"""Events that the app of a host adds: what record() and the API take, and what a check finds wrong."""

from typing import Any

import pytest
from django.core.checks import run_checks

from audit import kinds, queries
from audit.kinds import Kind
from tests.audit.shop import audit_kinds

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture
def shop(settings: Any) -> None:
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "tests.audit.shop"]


def test_a_type_of_an_app_is_recorded_and_found_while_the_app_is_installed(shop: None, write: Any) -> None:
    event = write(event_type="SHOP", action="order_placed", details={"order": 7})
    assert (event.event_type, event.action) == ("SHOP", "order_placed")
    assert list(queries.events(types=["SHOP"])) == [event]
    assert kinds.event_types()[-1] == "SHOP"


def test_without_the_app_nobody_knows_its_type(write: Any) -> None:
    with pytest.raises(ValueError, match="'SHOP' is not a valid EventType"):
        write(event_type="SHOP", action="order_placed")
    with pytest.raises(queries.FilterError):
        queries.events(types=["SHOP"])


@pytest.mark.parametrize(("kind", "action"), [("SHOP", "order_lost"), ("FILE_ACCESS", "shred"), ("SHOP", "download")])
def test_an_action_that_its_type_does_not_have_is_refused(shop: None, write: Any, kind: str, action: str) -> None:
    with pytest.raises(ValueError, match=f"{kind} has no '{action}'"):
        write(event_type=kind, action=action)


def test_an_app_adds_an_action_to_a_type_of_ours(shop: None, write: Any) -> None:
    assert write(event_type="FILE_ACCESS", action="print").action == "print"
    assert write(event_type="SYSTEM", action="sys_backup_made").event_type == "SYSTEM"  # ours are open


def test_only_what_is_declared_for_it_is_written_by_other_services(shop: None) -> None:
    assert kinds.over_http() == {
        "FILE_ACCESS": ("upload", "download", "delete", "move", "rename"),
        "SHOP": ("stock_counted",),
    }
    assert kinds.kind_of("FILE_ACCESS", "print", over_http=True) is None


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Kind(event_type="shop", actions=("order_placed",)), "'shop' is no name of a type"),
        (Kind(event_type="SHOP", actions=()), "SHOP is declared without an action"),
        (Kind(event_type="SHOP", actions=("Order Placed",)), "'Order Placed' is no action"),
        (Kind(event_type="SHOP", actions=("authn_login_success",)), "is the action of an event of accounts.events"),
        (Kind(event_type="FILE_ACCESS", actions=("upload",)), "'upload' of FILE_ACCESS is declared by audit, too"),
    ],
)
def test_a_check_names_what_clashes_or_cannot_be(shop: None, monkeypatch: Any, kind: Kind, said: str) -> None:
    monkeypatch.setattr(audit_kinds, "KINDS", (kind,))
    kinds.declared.cache_clear()
    faults = [fault for fault in run_checks() if fault.id == "audit.E008"]
    kinds.declared.cache_clear()
    assert len(faults) == 1 and said in faults[0].msg and "tests.audit.shop" in faults[0].msg


def test_what_is_declared_rightly_is_no_fault(shop: None) -> None:
    assert not list(kinds.faults())
