import pytest

from gatehouse.pages import safe_next


@pytest.mark.parametrize("target", ["/", "/account/", "/account/sessions?page=2#x", "/a//b", "/%2F/x", "/ünï"])
def test_a_path_of_ours_is_followed(rf, target):
    assert safe_next(rf.get("/", {"next": target}), "/home") == target
    assert safe_next(rf.post("/", {"next": target}), "/home") == target


@pytest.mark.parametrize(
    "target",
    [
        "",
        "//evil.test",
        "///evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "/\t/evil.test",
        "/\n/evil.test",
        " //evil.test",
        "/ /evil.test",
        "https://evil.test",
        "https:evil.test",
        "http:///evil.test",
        "javascript:alert(1)",
        "data:text/html,x",
        "account",
        "?a",
        "@evil.test",
        "/\u202e",
        "/" + "a" * 3000,
        "/\r\nSet-Cookie: a=b",
    ],
)
def test_anything_else_is_not(rf, target):
    assert safe_next(rf.get("/", {"next": target}), "/home") == "/home"


def test_a_form_comes_before_the_address(rf):
    assert safe_next(rf.post("/?next=/query", {"next": "/form"}), "/home") == "/form"
