import pytest

from accounts.models import User
from accounts.roles import Role
from tests.accounts.pages.person import Person, text_of
from tests.factories import mark, trail


def test_the_security_page_leads_to_ones_name(at_home: Person):
    page = text_of(at_home.get("security"))
    assert "None given" in page and '<a href="/account/name">Change your name</a>' in page
    form = text_of(at_home.get("name"))
    assert 'autocomplete="name"' in form and "maxlength" not in form and form.count("<h1>") == 1


def test_a_name_is_saved_and_shown(at_home: Person):
    since = mark()
    response = at_home.post("name", {"display_name": "  Zoë & <b>friends</b> "})
    assert (response.status_code, response["Location"]) == (303, "/account/security")
    page = text_of(at_home.get("security"))
    assert "Your name is saved." in page and 'role="status"' in page
    assert "<bdi>Zoë &amp; &lt;b&gt;friends&lt;/b&gt;</bdi>" in page
    assert User.objects.get().display_name == "Zoë & <b>friends</b>"
    assert trail(since) == [("user_updated",)]
    assert 'value="Zoë &amp; &lt;b&gt;friends&lt;/b&gt;"' in text_of(at_home.get("name"))


def test_a_name_may_be_left_empty(at_home: Person):
    at_home.post("name", {"display_name": "Jane"})
    assert at_home.post("name", {"display_name": ""}).status_code == 303
    assert "None given" in text_of(at_home.get("security"))


@pytest.mark.parametrize(
    ("typed", "words"),
    [("x" * 101, "Use 100 characters or fewer"), ("Jane\u202e", "Take out characters that cannot be seen.")],
)
def test_what_is_no_name_is_said_at_the_field_and_in_the_summary(at_home: Person, typed: str, words: str):
    response = at_home.post("name", {"display_name": typed})
    page = text_of(response)
    assert response.status_code == 422
    assert "<title>Error: " in page and '<a href="#id_display_name">' in page and page.count(words) == 2
    assert 'aria-invalid="true"' in page and typed in page
    assert User.objects.get().display_name == ""


def test_a_guest_cannot_change_the_name(at_home: Person):
    user = User.objects.get()
    user.set_role(Role.GUEST)
    user.save()
    assert "Change your name" not in text_of(at_home.get("security"))
    since = mark()
    assert at_home.get("name").status_code == 403
    assert trail(since) == []
    assert at_home.post("name", {"display_name": "Jane"}).status_code == 403
    assert trail(since) == [("authz_fail", "not_permitted")]
    assert User.objects.get().display_name == ""


def test_whoever_is_not_signed_in_comes_back_after_signing_in(member: Person):
    response = member.get("name")
    assert (response.status_code, response["Location"]) == (303, "/account/login?next=%2Faccount%2Fname")
    assert member.post("name", {"display_name": "Jane"})["Location"] == "/account/login"
    assert User.objects.get().display_name == ""
