from typing import Any

import pytest

from tests.factories import Api, problem, refused_fields


def test_what_a_client_needs_to_know(api: Api) -> None:
    answer = api.get("/config")
    assert answer.status_code == 200
    assert answer.json() == {
        "password": {
            "policy": "balanced",
            "min_length": 12,
            "max_length": 128,
            "rules": [
                "12 characters or more",
                "at most 128 characters",
                "under 15 characters: an upper case letter, a lower case letter, a digit and a symbol",
                "not a common password, and nothing like your own address or name",
            ],
        },
        "otp": {"length": 6, "ttl": 600, "resend_after": 60},
        "factors": ["email", "totp", "recovery"],
        "providers": [],
        "terms_version": "1",
        "optional_consents": [],
        "signup_open": True,
    }


@pytest.mark.parametrize(("policy", "least"), [("classic", 8), ("nist", 15)])
def test_it_follows_the_settings(api: Api, settings: Any, policy: str, least: int) -> None:
    settings.ACCOUNTS = {"PASSWORD_POLICY": policy, "SIGNUP_OPEN": False, "TERMS_VERSION": "2027-01", "OTP_LENGTH": 8}
    body = api.get("/config").json()
    assert (body["password"]["policy"], body["password"]["min_length"]) == (policy, least)
    assert (body["signup_open"], body["terms_version"], body["otp"]["length"]) == (False, "2027-01", 8)


def test_it_takes_no_parameter_and_no_post(api: Api) -> None:
    assert refused_fields(api.get("/config?format=xml")) == {"?format": "unknown_field"}
    refused = api.post("/config")
    problem("method_not_allowed", 405, refused)
    assert refused["Allow"]


def test_a_slash_at_the_end_reaches_the_same_view(api: Api) -> None:
    assert api.get("/config/").json() == api.get("/config").json()
