"""The web process and the worker killed in the middle: no half account, no lost mail."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.http import Visitor
from tests.live import ROOT, LiveSite

pytestmark = [pytest.mark.flow, pytest.mark.every_engine]

KILL = "import os, signal; die = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)\n"
BEFORE_SENDING = "outbox.get_connection = die"
AFTER_SENDING = (
    "from django.core.mail.backends.smtp import EmailBackend; send = EmailBackend.send_messages\n"
    "EmailBackend.send_messages = lambda self, mails: (send(self, mails), die())"
)

# Each finds rows that only half of something left behind.
HALVES = {
    "an account without its link": """
        SELECT count(*) FROM accounts_user u WHERE NOT EXISTS (SELECT 1 FROM accounts_link l WHERE l.user_id = u.id)""",
    "an account without its consent": """
        SELECT count(*) FROM accounts_user u WHERE NOT EXISTS (
            SELECT 1 FROM accounts_consent c WHERE c.user_id = u.id)""",
    "an account without a mail": """
        SELECT count(*) FROM accounts_user u WHERE NOT EXISTS (SELECT 1 FROM accounts_mail m WHERE m.user_id = u.id)""",
    "more or fewer sign-ups recorded than there are accounts": """
        SELECT (SELECT count(*) FROM accounts_user)
             - (SELECT count(*) FROM audit_event WHERE action = 'user_registered' AND success)""",
    "a link used without effect": """
        SELECT count(*) FROM accounts_link l JOIN accounts_user u ON u.id = l.user_id
        WHERE l.used_at IS NOT NULL AND (u.status <> 'active' OR u.email_verified_at IS NULL)""",
    "an active account whose link is open": """
        SELECT count(*) FROM accounts_link l JOIN accounts_user u ON u.id = l.user_id
        WHERE l.used_at IS NULL AND u.status = 'active' AND l.purpose = 'verify'""",
    "a proof that is not recorded": """
        SELECT (SELECT count(*) FROM accounts_user WHERE status = 'active')
             - (SELECT count(*) FROM audit_event WHERE action = 'user_email_verified' AND success)""",
    "a challenge without its mail": """
        SELECT (SELECT count(*) FROM accounts_challenge)
             - (SELECT count(*) FROM accounts_mail WHERE template = 'code')""",
    "a code used without a session, or the other way round": """
        SELECT (SELECT count(*) FROM accounts_challenge WHERE consumed_at IS NOT NULL)
             - (SELECT count(*) FROM sessions_app_session)""",
    "a session that is not recorded": """
        SELECT (SELECT count(*) FROM sessions_app_session)
             - (SELECT count(*) FROM audit_event WHERE action = 'session_created')""",
    "a sign-in that is not recorded": """
        SELECT (SELECT count(*) FROM sessions_app_session)
             - (SELECT count(*) FROM audit_event WHERE action = 'authn_login_success')""",
    "a reset that was asked for without its record": """
        SELECT (SELECT count(*) FROM accounts_mail WHERE template = 'reset_request')
             - (SELECT count(*) FROM audit_event WHERE action = 'authn_password_reset_requested' AND success)""",
    "a request answered without a link": """
        SELECT (SELECT count(*) FROM accounts_mail WHERE template = 'reset_request' AND state = 'dropped')
             - (SELECT count(*) FROM accounts_link WHERE purpose = 'reset')""",
    "a reset that is not recorded": """
        SELECT (SELECT count(*) FROM accounts_link WHERE purpose = 'reset' AND used_at IS NOT NULL)
             - (SELECT count(*) FROM audit_event WHERE action = 'authn_password_reset' AND success)""",
    "a reset that is not told": """
        SELECT (SELECT count(*) FROM accounts_link WHERE purpose = 'reset' AND used_at IS NOT NULL)
             - (SELECT count(*) FROM accounts_mail WHERE template = 'password_changed')""",
    "a session that a reset left alive": """
        SELECT count(*) FROM sessions_app_session s JOIN accounts_link l ON l.user_id = s.user_id
        WHERE l.purpose = 'reset' AND l.used_at IS NOT NULL AND s.revoked_at IS NULL""",
}


@pytest.fixture
def site(make_site: Callable[..., LiveSite]) -> Iterator[LiveSite]:
    """A site that is migrated, with nothing running."""
    made = make_site(
        MAIL_CLAIM_TTL="2s",
        LIMITS_SCALE="1000",
        LOG_LEVEL="ERROR",
        ALLOWED_HOSTS="testserver,127.0.0.1",
        BASE_URL="http://testserver",
    )
    made.migrate()
    yield made


def run(site: LiveSite, *words: str) -> subprocess.CompletedProcess[str]:
    env = site.env | {"DJANGO_SETTINGS_MODULE": "config.settings", "DB_POOL": "off"}
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=env, capture_output=True, text=True, timeout=500, check=False
    )


@pytest.mark.parametrize("stride", [11, pytest.param(1, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
def test_l01_whatever_statement_the_web_process_is_killed_at_nothing_is_half_done(site: LiveSite, stride: int) -> None:
    done = run(site, "-m", "tests.faults.killed", str(stride))
    assert int(done.stdout or -3) > 50 // stride, done.stdout + done.stderr
    found = {half: site.query(" ".join(sql.split()))[0][0] for half, sql in HALVES.items()}
    assert found == dict.fromkeys(HALVES, 0)
    assert int(site.query("SELECT count(*) FROM sessions_app_session")[0][0]) > 0  # the last ones came through


@pytest.mark.parametrize(("point", "mails"), [(BEFORE_SENDING, 1), (AFTER_SENDING, 2)])
def test_l11_a_worker_killed_with_a_mail_in_hand_loses_none_and_doubles_at_most_one(
    site: LiveSite, point: str, mails: int
) -> None:
    site.start_web()
    asked = {"email": "jane@example.com", "password": "a fine long password", "accept_terms": True}
    assert Visitor(site).post("/auth/register", asked).status == 202
    script = f"import django; django.setup(); from accounts import outbox; {KILL}{point}\noutbox.send_due()"
    assert run(site, "-c", script).returncode == -9
    assert site.query("SELECT state, attempts FROM accounts_mail") == [("sending", 1)]
    site.start_worker()
    sent = [site.mails.wait_for("jane@example.com", number + 1) for number in range(mails)]
    assert len({mail["Message-ID"] for mail in sent}) == 1
    assert len({str(mail.get_body(("plain",))) for mail in sent}) == 1  # the same link, not a second one


def test_a_site_killed_and_started_again_goes_on_where_it_was(site: LiveSite) -> None:
    site.start_web()
    visitor = Visitor(site)
    asked = {"email": "jane@example.com", "password": "a fine long password", "accept_terms": True}
    assert visitor.post("/auth/register", asked).status == 202
    site.kill_web()
    site.start_worker()
    site.mails.wait_for("jane@example.com")
    site.kill_worker()
    site.start_web()
    site.start_worker()
    body = {"email": "jane@example.com", "password": "a fine long password"}
    assert visitor.post("/auth/login", body).body == {"status": "email_unverified"}
    site.mails.wait_for("jane@example.com", 2)
