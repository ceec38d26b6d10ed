"""The development mailbox: what would have been sent is kept, shown in the terminal and at /dev/mail/."""

import io
import re
import stat

import pytest
from django.core.mail import EmailMultiAlternatives, get_connection

from config.devmail import mailbox

BACKEND = "config.devmail.backend.EmailBackend"
pytestmark = [pytest.mark.urls("tests.config.mailbox_urls"), pytest.mark.django_db]


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.DEVELOPMENT_MAILBOX = str(tmp_path / "mail")
    return tmp_path / "mail"


def send(subject="Your code", text="Your code is 123456.", html="<p style='color:red'>Hello</p>"):
    terminal = io.StringIO()
    connection = get_connection(BACKEND, stream=terminal)
    mail = EmailMultiAlternatives(
        subject, text, "Gate <no-reply@example.com>", ["jané@example.com"], connection=connection
    )
    mail.attach_alternative(html, "text/html")
    assert mail.send() == 1
    return mailbox.mails()[0], terminal.getvalue()


def test_a_mail_is_kept_whole(folder):
    mail, _ = send(subject="Grüße")
    assert (mail.subject, mail.sender) == ("Grüße", "Gate <no-reply@example.com>")
    assert "jané@example.com" in mail.to
    assert mail.text.strip() == "Your code is 123456."
    assert "<p" in mail.html
    assert [path.name for path in folder.iterdir()] == [f"{mail.id}.json"]


def test_the_terminal_shows_code_and_link():
    _, terminal = send(text="Confirm here: https://id.example/account/verify/abc123456.\n\nOr type 654321.")
    assert "code  654321" in terminal
    assert "link  https://id.example/account/verify/abc123456\n" in terminal
    assert "read  http://testserver/dev/mail/" in terminal


def test_a_mail_without_code_and_link_says_neither():
    mail, terminal = send(text="Your password was changed on 2026-11-21.")
    assert (mail.code, mail.link) == ("", "")
    assert "code" not in terminal.replace("Your code", "")


def test_the_newest_stands_first_and_old_ones_go(monkeypatch):
    monkeypatch.setattr(mailbox, "KEPT", 2)
    for number in range(3):
        send(subject=f"Mail {number}")
    assert [mail.subject for mail in mailbox.mails()] == ["Mail 2", "Mail 1"]


def test_the_pages_show_it(client):
    mail, _ = send(text="Open https://id.example/x and type 123456.")
    listed = client.get("/dev/mail/")
    assert listed.status_code == 200
    assert f"/dev/mail/{mail.id}" in listed.text
    shown = client.get(f"/dev/mail/{mail.id}")
    assert 'href="https://id.example/x"' in shown.text
    assert re.search(r"<code[^>]*>123456</code>", shown.text)
    html = client.get(f"/dev/mail/{mail.id}/html")
    assert "'unsafe-inline'" in html["Content-Security-Policy"]
    assert "script-src" not in html["Content-Security-Policy"]


def test_a_mail_is_text_and_not_markup(client):
    mail, _ = send(subject="<script>alert(1)</script>", text="<img src=x onerror=alert(1)>")
    shown = client.get(f"/dev/mail/{mail.id}").text
    assert "<script>alert" not in shown
    assert "<img src=x" not in shown


@pytest.mark.parametrize("name", ["nothing", "20260101-000000000000-00000000", "..", "%2e%2e%2fdev-secrets"])
def test_another_name_is_not_found(client, folder, name):
    folder.mkdir()
    (folder.parent / "dev-secrets.json").write_text("{}")
    assert client.get(f"/dev/mail/{name}").status_code == 404


def test_a_script_reads_the_newest_mail(client):
    send(text="Open https://id.example/account/verify/abc.")
    newest, _ = send(text="Your code is 654321.")
    read = client.get("/dev/mail/latest", {"to": "Jané@example.com"})
    assert read.json()["id"] == newest.id
    assert read.json()["code"] == "654321"
    assert client.get("/dev/mail/latest", {"show": "code"}).text == "654321\n"
    assert client.get("/dev/mail/latest", {"show": "link"}).text == "https://id.example/account/verify/abc\n"


def test_a_script_that_asks_for_somebody_without_mail_is_told(client):
    send()
    assert client.get("/dev/mail/latest", {"to": "nobody@example.com"}).status_code == 404


def test_an_empty_mailbox_says_so(client):
    assert "No mail yet" in client.get("/dev/mail/").text


def test_a_broken_file_is_passed_over(folder):
    send()
    (folder / "20990101-000000000000-00000000.json").write_text("{not json")
    assert len(mailbox.mails()) == 1
    assert stat.S_ISDIR(folder.stat().st_mode)
