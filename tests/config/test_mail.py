"""What each kind of EMAIL_URL gives."""

import pytest

from config import mail
from config.env import Environment


@pytest.mark.parametrize(
    ("url", "port", "tls", "ssl"),
    [
        ("smtp://mail.example", 25, False, False),
        ("smtp://mail.example:2525", 2525, False, False),
        ("smtp+tls://mail.example", 587, True, False),
        ("smtps://mail.example", 465, False, True),
    ],
)
def test_smtp(url, port, tls, ssl):
    found = mail.from_url(url)
    assert found["EMAIL_BACKEND"] == "django.core.mail.backends.smtp.EmailBackend"
    assert (found["EMAIL_HOST"], found["EMAIL_PORT"]) == ("mail.example", port)
    assert (found["EMAIL_USE_TLS"], found["EMAIL_USE_SSL"]) == (tls, ssl)
    assert found["EMAIL_TIMEOUT"] == 10


def test_an_account_may_hold_anything():
    found = mail.from_url("smtp://ann%40example.com:p+%2F%40@mail.example")
    assert (found["EMAIL_HOST_USER"], found["EMAIL_HOST_PASSWORD"]) == ("ann@example.com", "p+/@")


def test_sendgrid_goes_first_and_tracks_nobody():
    found = mail.mail(Environment({"SENDGRID_API_KEY": "SG.x", "EMAIL_URL": "smtp://mail.example"}), default="dev:")
    assert found["EMAIL_BACKEND"] == "anymail.backends.sendgrid.EmailBackend"
    assert found["ANYMAIL"]["SEND_DEFAULTS"] == {"track_clicks": False, "track_opens": False}


@pytest.mark.parametrize("url", ["console:", "file:var/out", "dev:"])
def test_what_stays_here_is_not_delivering(url):
    assert not mail.is_delivering(mail.from_url(url))


def test_a_file_address_is_a_folder_of_the_project():
    assert mail.from_url("file:var/out")["EMAIL_FILE_PATH"].endswith("/var/out")


@pytest.mark.parametrize("url", ["mail.example", "http://mail.example", "smtp://:25", "smtp://mail.example:port"])
def test_an_unreadable_url_is_a_fault_that_does_not_repeat_it(url):
    env = Environment({"EMAIL_URL": url})
    assert mail.mail(env, default="dev:")["EMAIL_BACKEND"] == "config.devmail.backend.EmailBackend"
    assert [fault.name for fault in env.faults] == ["EMAIL_URL"]
    assert url not in env.faults[0].says
