from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.core.cache import caches
from django.db import transaction
from django.utils import timezone

from accounts.conf import AccountSettings
from gatehouse import limits, memory
from gatehouse.limits import LIMITS, LimitReached, Usage
from gatehouse.models import Counter

HIT = ("login_address_ip", "a@x.test|192.0.2.1")


@pytest.fixture
def clock():
    """The time, standing still until a test moves it."""
    with time_machine.travel(timezone.now(), tick=False) as traveller:
        yield traveller


def take_until_refused(*hits):
    for count in range(1000):
        try:
            limits.take(None, *hits)
        except LimitReached as problem:
            return count, problem
    raise AssertionError("never refused")


@pytest.mark.django_db
@pytest.mark.parametrize("name", [name for name, limit in LIMITS.items() if limit.store == "database"])
def test_every_limit_lets_its_number_through_and_answers_with_its_code(name):
    limit = LIMITS[name]
    taken, problem = take_until_refused((name, "somebody"))
    assert (taken, problem.code) == (limit.number, limit.answer)
    assert limit.seconds - 5 <= problem.retry_after <= limit.seconds


@pytest.mark.django_db
def test_a_window_ends_where_its_first_hit_said_and_refused_hits_do_not_move_it(clock):
    _taken, problem = take_until_refused(HIT)
    assert problem.retry_after == 900
    clock.shift(timedelta(minutes=14, seconds=59))
    with pytest.raises(LimitReached) as caught:
        limits.take(None, HIT)
    assert caught.value.retry_after == 1
    clock.shift(timedelta(seconds=1))
    assert limits.take(None, HIT)[0].hits == 1


@pytest.mark.django_db
@pytest.mark.parametrize("hits", [(HIT,), (HIT, ("login_ip", "192.0.2.1"))])
def test_the_first_hit_too_many_is_known(hits):
    _taken, problem = take_until_refused(*hits)
    assert problem.usage.is_first_over
    for _ in range(3):
        with pytest.raises(LimitReached) as caught:
            limits.take(None, *hits)
        assert not caught.value.usage.is_first_over


@pytest.mark.django_db
def test_a_refused_attempt_uses_up_only_the_limit_that_refused_it():
    take_until_refused(("login_ip", "192.0.2.1"))
    for _ in range(30):
        with pytest.raises(LimitReached) as caught:
            limits.take(None, ("login_ip", "192.0.2.1"), ("login_address", "victim@x.test"))
        assert caught.value.code == "rate_limited"
    usage = limits.peek("login_address", "victim@x.test")
    assert usage is None or usage.hits == 0


@pytest.mark.django_db
def test_an_exchange_counts_one_and_gives_the_others_back():
    other, unknown = ("login_address", "ann@example.com"), ("login_device", "none")
    limits.take(None, other)
    limits.take(None, other)
    assert limits.exchange(HIT, other, unknown).hits == 1
    assert limits.exchange(HIT, other, ("login_address", "bob@example.com")).hits == 2
    assert limits.peek(*other).hits == 0
    assert limits.peek(*unknown) is None
    limits.exchange(HIT, other)
    assert limits.take(None, other)[0].hits == 1, "never below none"


@pytest.mark.django_db
def test_an_exchange_that_is_refused_has_given_back():
    limits.take(None, ("login_ip", "192.0.2.1"))
    with pytest.raises(LimitReached) as refused:
        for _ in range(LIMITS["no_account_address"].number + 1):
            limits.exchange(("no_account_address", "ann@example.com"), ("login_ip", "192.0.2.1"))
    assert refused.value.retry_after > 0
    assert limits.peek("login_ip", "192.0.2.1").hits == 0


@pytest.mark.django_db
def test_release_gives_back_one_hit_and_never_more_than_there_are():
    limits.take(None, HIT)
    limits.release(HIT)
    limits.release(HIT)
    usage = limits.peek(*HIT)
    assert usage is not None
    assert usage.hits == 0


@pytest.mark.django_db
def test_reset_forgets_one_key_only():
    other = ("login_address", "a@x.test")
    limits.take(None, HIT, other)
    limits.reset(HIT)
    assert limits.peek(*HIT) is None
    assert limits.peek(*other) is not None


@pytest.mark.django_db
def test_the_scale_multiplies_every_number(settings):
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 0.3}
    assert take_until_refused(HIT)[0] == 3
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 0.0001}
    assert LIMITS["login_device"].scaled == 1


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["challenge_pause", "challenge_sends"])
def test_what_a_challenge_counts_is_refused_here_and_counted_there(name, settings):
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 100}
    problem = limits.reached(name, wait=0)
    assert (problem.code, problem.status, problem.retry_after) == ("rate_limited", 429, 1)
    assert problem.usage.is_over and problem.usage.limit is LIMITS[name]
    with pytest.raises(ValueError):
        limits.take(None, (name, "somebody"))
    with pytest.raises(ValueError):
        limits.reached("login_ip", wait=1)


def test_what_a_challenge_counts_shows_the_defaults_of_its_settings():
    conf = AccountSettings()
    pause, sends = LIMITS["challenge_pause"], LIMITS["challenge_sends"]
    assert pause.window == conf.OTP_RESEND_AFTER
    assert (sends.number, sends.window) == (conf.OTP_SENDS, conf.CHALLENGE_TTL)


@pytest.mark.django_db
def test_the_table_names_nobody():
    limits.take(None, ("login_address", "a@x.test"))
    assert [len(key) for key in Counter.objects.values_list("key", flat=True)] == [64]


@pytest.mark.django_db(transaction=True)
def test_no_limit_is_taken_inside_a_transaction():
    with transaction.atomic(), pytest.raises(RuntimeError, match="before a transaction"):
        limits.take(None, HIT)


@pytest.mark.django_db(transaction=True)
def test_forty_at_once_pass_exactly_as_many_as_the_limit_says(race):
    other = ("login_address", "a@x.test")
    results = race([lambda: limits.take(None, HIT, other)] * 40)
    passed = [result for result in results if isinstance(result, list)]
    assert len(passed) == LIMITS["login_address_ip"].number
    assert {result.code for result in results if not isinstance(result, list)} == {"account_locked"}


@pytest.mark.django_db(transaction=True)
def test_keys_in_any_order_do_not_lock_each_other_out(race):
    names = [("login_ip", "x"), ("code_send_ip", "x"), ("link_ip", "x"), ("resend_ip", "x")]
    results = race([lambda n=n: limits.take(None, *(names[n % 4 :] + names[: n % 4])) for n in range(20)])
    assert all(isinstance(result, list) for result in results), results
    assert {limits.peek(*name).hits for name in names} == {20}


@pytest.mark.django_db
def test_one_statement_counts_several_limits(django_assert_num_queries):
    with django_assert_num_queries(1):
        limits.take(None, HIT)
    with django_assert_num_queries(2):  # the look whether one is over already, and the statement
        limits.take(None, HIT, ("login_ip", "x"), ("login_address", "y"))


@pytest.mark.django_db
def test_the_worker_leaves_its_beat():
    assert Counter.objects.last_beat("worker") is None
    now = timezone.now()
    Counter.objects.beat("worker", now - timedelta(seconds=5))
    Counter.objects.beat("worker", now)
    assert abs(Counter.objects.last_beat("worker") - now) < timedelta(milliseconds=1)


@pytest.mark.django_db
def test_ended_counters_are_found_for_the_clean_up(clock):
    limits.take(None, HIT)
    assert not Counter.objects.ended(timezone.now()).exists()
    clock.shift(timedelta(minutes=15))
    assert Counter.objects.ended(timezone.now()).count() == 1


@pytest.mark.django_db
def test_the_wide_limit_stops_any_request_and_says_so(site, settings):
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 0.005}
    answers = [site.get("/plain") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[0]["RateLimit-Policy"] == '"wide_ip";q=3;w=60'
    assert answers[0]["RateLimit"].startswith('"wide_ip";r=2;t=')
    assert 1 <= int(answers[3]["Retry-After"]) <= 60


@pytest.mark.django_db
def test_the_stricter_policy_comes_first(site):
    response = site.post("/api/v1/strict", {}, content_type="application/json")
    assert (
        response["RateLimit-Policy"]
        == '"register_ip";q=20;w=3600, "wide_ip";q=600;w=60, "role_anonymous";q=100000;w=60'
    )
    assert response["RateLimit"].startswith('"register_ip";r=19;t=3600, "wide_ip";r=599;t=')


@pytest.mark.parametrize(("own", "let_through"), [(None, 12), (3, 3)])
def test_a_limit_may_have_a_number_of_its_own(settings, own, let_through):
    settings.GATEHOUSE = settings.GATEHOUSE | ({"LIMITS_SCALE": 0.01} if own is None else {})
    for _ in range(let_through):
        assert not limits.take_own(None, ("service_key", "a"), own).is_over
    with pytest.raises(LimitReached) as caught:
        limits.take_own(None, ("service_key", "a"), own)
    assert caught.value.code == "rate_limited" and 1 <= caught.value.retry_after <= 60
    assert not limits.take_own(None, ("service_key", "b"), own).is_over


def test_a_cache_that_fails_is_replaced_by_this_process_and_never_open(settings, monkeypatch, caplog):
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 0.01}

    def broken(*_args, **_kwargs):
        raise ConnectionError("no cache")

    monkeypatch.setattr(type(caches["limits"]), "add", broken)
    assert take_until_refused(("wide_ip", "192.0.2.7"))[0] == 6
    assert caplog.text.count("limits_cache_unavailable") == 1


def test_a_cache_that_swallows_its_failure_is_replaced_too(settings, monkeypatch):
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 0.01}
    monkeypatch.setattr(type(caches["limits"]), "add", lambda *_args, **_kwargs: False)
    monkeypatch.setattr(type(caches["limits"]), "incr", lambda *_args, **_kwargs: None)
    assert take_until_refused(("wide_ip", "192.0.2.8"))[0] == 6


def test_without_a_cache_the_process_counts(settings):
    settings.RATELIMIT_USE_CACHE = ""
    assert memory.count("key", 60, None) == (1, 60)
    assert memory.count("key", 60, None)[0] == 2


def test_the_table_is_written_for_the_documentation():
    table = Path("docs/limits.md").read_text()
    assert all(f"| `{name}` |" in table for name in LIMITS)
    assert "| `code_account` | account | 20 | 24 h |" in table


def test_what_is_over_has_nothing_left():
    assert Usage(LIMITS["login_ip"], 101, 1).remaining == 0
