"""Tokens that are believed, and the corpus of those that are not (SECURITY.md, F)."""

import base64
import hmac
import json
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.utils import timezone

from gatehouse import encryption
from gatehouse.problems import Problem
from sessions_app import keyring, tokens
from sessions_app.models import Session, SigningKey
from tests.sessions_app.conftest import KEYS

pytestmark = pytest.mark.django_db

NOW = 1_790_000_000
ACCESS_HEADER = {"typ": "at+jwt"}
PUBLIC = ("EdDSA", "RS256")
RETIRED = "retired-key-0123"

# Two keys of each algorithm: one in force, and another. RSA keys take their time, so they are made once.
PAIRS: dict[str, tuple[Any, Any]] = {
    "HS256": (KEYS[0], "another-key-0123456789-abcdefghijklmnop"),
    "EdDSA": (Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()),
    "RS256": (generate_private_key(65537, 3072), generate_private_key(65537, 3072)),
}


@pytest.fixture(params=PAIRS)
def algorithm(request: pytest.FixtureRequest, db: None) -> str:
    """The algorithm that tokens are signed with: by a key of the settings, or by one of the table."""
    name: str = request.param
    if name in PUBLIC:
        plant(name)
    assert keyring.signing_key().algorithm == name
    return name


def plant(algorithm: str) -> None:
    """Put the first key of *algorithm* into the table, in force, and a retired one beside it."""
    now = timezone.now()
    for kid, key, ended in (("planted-key-0123", 0, None), (RETIRED, 1, now)):
        private = PAIRS[algorithm][key]
        text = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        SigningKey.objects.create(
            kid=kid,
            algorithm=algorithm,
            private=encryption.encrypt(text, keyring.seal_context(kid, algorithm)),
            public=keyring.public_pem(private.public_key()),
            created_at=now,
            activated_at=now,
            retired_at=ended,
        )
    keyring.forget()


def test_an_access_token_says_what_the_contract_says(session: Session, settings: Any) -> None:
    settings.SESSIONS |= {"CLAIMS": "tests.sessions_app.test_tokens.claims_of"}
    raw = tokens.access_for(session)
    assert jwt.get_unverified_header(raw) == {"alg": "HS256", "kid": keyring.signing_key().kid, "typ": "at+jwt"}
    claims = payload_of(raw)
    assert claims.pop("jti")
    issued_at = claims.pop("iat")
    assert claims == {
        "iss": "http://testserver",
        "aud": "gatehouse",
        "sub": str(session.user_id),
        "sid": str(session.pk),
        "role": "user",
        "type": "access",
        "exp": issued_at + 900,
        "auth_time": int(session.authenticated_at.timestamp()),
    }


def claims_of(user: Any) -> dict[str, Any]:
    return {"role": "user", "sid": "a host cannot replace a claim of ours"}


def test_a_refresh_token_is_rebuilt_from_its_row_to_the_same_bytes(algorithm: str, session: Session) -> None:
    first = tokens.issue(session)
    again = tokens.issue(Session.objects.select_related("user").get(pk=session.pk))
    assert again.refresh_token == first.refresh_token
    claims = payload_of(first.refresh_token)
    assert set(claims) == {"iss", "aud", "sub", "sid", "type", "jti", "iat", "exp"}
    assert claims["exp"] - claims["iat"] == 7 * 24 * 3600


def test_tokens_are_not_shown_by_repr(session: Session) -> None:
    issued = tokens.issue(session)
    assert issued.access_token not in repr(issued)
    assert issued.refresh_token not in repr(issued)
    assert KEYS[0] not in repr(keyring.signing_key())


def test_f26_an_older_key_verifies_and_a_retired_one_does_not(session: Session, settings: Any) -> None:
    raw = tokens.access_for(session)
    settings.SESSIONS = settings.SESSIONS | {"SIGNING_KEYS": ("newest-key-0123456789-abcdefghijklmnop", *KEYS)}
    assert tokens.read_access(raw).sid == session.pk
    assert jwt.get_unverified_header(tokens.access_for(session))["kid"] == keyring.signing_key().kid
    settings.SESSIONS = settings.SESSIONS | {"SIGNING_KEYS": KEYS[1:]}
    assert refusal(raw) == "access_invalid"


@pytest.mark.parametrize("late", [0, 1, 10**6])
def test_f14_a_token_ends_at_its_exp(late: int) -> None:
    with time_machine.travel(NOW, tick=False):
        raw = forge(exp=NOW + 900)
    with time_machine.travel(NOW + 899, tick=False):
        assert tokens.read_access(raw).expires_at == NOW + 900
    with time_machine.travel(NOW + 900 + late, tick=False):
        assert refusal(raw) == "access_expired"
        assert tokens.read_access(raw, allow_expired=True).expires_at == NOW + 900


def test_f13_a_token_of_one_type_is_refused_where_the_other_is_expected(session: Session) -> None:
    issued = tokens.issue(session)
    assert refusal(issued.refresh_token) == "access_invalid"
    with pytest.raises(Problem, match="refresh_invalid"):
        tokens.read_refresh(issued.access_token)


def test_an_expired_refresh_token_reads_as_expired_where_nobody_asks_the_row() -> None:
    raw = forge(header={"typ": "JWT"}, type="refresh", exp=NOW - 1, iat=NOW - 2)
    with pytest.raises(Problem, match="session_expired"):
        tokens.read_refresh(raw)
    assert tokens.read_refresh(raw, allow_expired=True).expires_at == NOW - 1


def test_f15_a_clock_that_is_put_back_a_little_refuses_no_token_of_ours(session: Session) -> None:
    """Neither one that was read before nor a new one; the clock is asked every time."""
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    with time_machine.travel(now, tick=False) as clock:
        access = tokens.access_for(session)
        session.refresh_issued_at = now
        refresh = tokens.issue(session).refresh_token
        assert tokens.read_access(access)
        clock.move_to(now - tokens.EARLY, tick=False)
        assert tokens.read_access(access) and tokens.read_access(tokens.access_for(session))
        assert tokens.read_refresh(refresh)
        clock.shift(-1)
        assert refusal(access) == "access_invalid"
        with pytest.raises(Problem, match="refresh_invalid"):
            tokens.read_refresh(refresh)


def payload_of(raw: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(raw, options={"verify_signature": False})
    return claims


def refusal(raw: str) -> str:
    with pytest.raises(Problem) as caught:
        tokens.read_access(raw)
    return caught.value.code


def good_claims() -> dict[str, Any]:
    now = int(timezone.now().timestamp())
    return {
        "iss": "http://testserver",
        "aud": "gatehouse",
        "sub": "1",
        "sid": str(uuid4()),
        "type": "access",
        "jti": str(uuid4()),
        "iat": now,
        "exp": now + 900,
        "auth_time": now,
    }


def forge(
    *, key: Any = None, algorithm: str = "", header: dict[str, Any] | None = None, drop: str = "", **claims: Any
) -> str:
    """Sign claims as we would, with the key that signs, but for what is named."""
    payload = good_claims() | claims
    payload.pop(drop, None)
    signing = keyring.signing_key()
    headers = {"kid": signing.kid} | ACCESS_HEADER | (header or {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return jwt.encode(payload, key or signing.signing, algorithm=algorithm or signing.algorithm, headers=headers)


def another() -> Any:
    """Return a good key of the algorithm in force, which is not ours."""
    return PAIRS[keyring.signing_key().algorithm][1]


def maced(key: bytes, **header: Any) -> str:
    """Return a token whose signature is a MAC under *key*, whatever signs in truth (RFC 8725, 2.1)."""
    signing_input = f"{segment(header_of(alg='HS256') | header)}.{segment(good_claims())}"
    return f"{signing_input}.{segment(hmac.digest(key, signing_input.encode(), 'sha256'))}"


def by_hand(header: Any, payload: Any, signature: str = "") -> str:
    return ".".join([segment(header), segment(payload), signature])


def segment(value: Any) -> str:
    octets = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def resigned(header: bytes, payload: bytes) -> str:
    """Sign any octets with our own key: what only a thief of the key could do."""
    return signed_as(keyring.signing_key().algorithm, header, payload)


def signed_as(name: str, header: bytes, payload: bytes) -> str:
    signing_input = f"{segment(header)}.{segment(payload)}"
    algorithm = jwt.get_algorithm_by_name(name)
    signature = algorithm.sign(signing_input.encode(), algorithm.prepare_key(keyring.signing_key().signing))
    return f"{signing_input}.{segment(signature)}"


def header_of(**more: Any) -> dict[str, Any]:
    signing = keyring.signing_key()
    return {"alg": signing.algorithm, "kid": signing.kid, "typ": "at+jwt"} | more


def with_signature(change: Callable[[str], str]) -> str:
    head, body, signature = forge().split(".")
    return f"{head}.{body}.{change(signature)}"


def non_canonical(signature: str) -> str:
    """Return other text that the same octets are read from by a lenient decoder."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return signature[:-1] + alphabet[alphabet.index(signature[-1]) ^ 1]


FORGED: dict[str, Callable[[], str]] = {
    "F01 alg none": lambda: by_hand(header_of(alg="none"), good_claims()),
    "F01 alg None": lambda: by_hand(header_of(alg="None"), good_claims()),
    "F01 alg NONE": lambda: by_hand(header_of(alg="NONE"), good_claims()),
    "F01 alg empty": lambda: by_hand(header_of(alg=""), good_claims()),
    "F01 alg none with a signature": lambda: by_hand(header_of(alg="none"), good_claims(), "AAAA"),
    "F02 the name of the key as key": lambda: maced(keyring.signing_key().kid.encode()),
    "F03 an empty key": lambda: maced(b""),
    "F04 another key": lambda: forge(key=another()),
    "F04 an older key under the name of the newer": lambda: maced(KEYS[1].encode()),
    "F05 a weak key": lambda: maced(b"secret"),
    "F06 kid of another key of ours": lambda: forge(header={"kid": keyring.from_secret(KEYS[1]).kid}),
    "F06 kid of a retired key": lambda: forge(key=another(), header={"kid": RETIRED}),
    "F06 kid of a retired key, signed with the one in force": lambda: forge(header={"kid": RETIRED}),
    "F06 kid a path": lambda: forge(header={"kid": "../../dev/null"}),
    "F06 kid SQL": lambda: forge(header={"kid": "' OR 1=1 --"}),
    "F06 kid a URL": lambda: forge(header={"kid": "https://evil.test/key"}),
    "F06 kid huge": lambda: forge(header={"kid": "k" * 100_000}),
    "F06 kid missing": lambda: resigned(json.dumps({"alg": header_of()["alg"], "typ": "at+jwt"}).encode(), body()),
    "F06 kid a number": lambda: resigned(json.dumps(header_of(kid=1)).encode(), body()),
    "F07 jku": lambda: forge(header={"jku": "https://evil.test/jwks"}),
    "F07 x5u": lambda: forge(header={"x5u": "https://evil.test/x5u"}),
    "F07 x5c": lambda: forge(header={"x5c": ["MII"]}),
    "F07 jwk": lambda: forge(header={"jwk": {"kty": "oct", "k": "AAAA"}}),
    "F08 crit": lambda: resigned(json.dumps(header_of(crit=["exp"], exp=1)).encode(), body()),
    "F09 b64 false": lambda: resigned(json.dumps(header_of(b64=False, crit=["b64"])).encode(), body()),
    "F10 JWE": lambda: "a.b.c.d.e",
    "F10 nested": lambda: resigned(json.dumps(header_of(cty="JWT")).encode(), forge().encode()),
    "F10 zip": lambda: resigned(json.dumps(header_of(zip="DEF")).encode(), body()),
    "F11 JSON": lambda: json.dumps({"payload": segment(good_claims()), "signatures": []}),
    "F12 a header given twice": lambda: resigned(
        b'{"alg":"none",' + json.dumps(header_of(kid="x")).encode()[1:], body()
    ),
    "F13 type refresh": lambda: forge(type="refresh"),
    "F13 type reset": lambda: forge(type="reset"),
    "F13 type missing": lambda: forge(drop="type"),
    "F13 typ JWT": lambda: forge(header={"typ": "JWT"}),
    "F14 exp missing": lambda: forge(drop="exp"),
    "F14 exp a text": lambda: forge(exp="9999999999"),
    "F14 exp a fraction": lambda: forge(exp=9999999999.5),
    "F14 exp infinite": lambda: resigned(
        json.dumps(header_of()).encode(), body().replace(b'"exp": ', b'"exp": 1e400,"x":')
    ),
    "F14 exp negative": lambda: forge(exp=-1),
    "F14 exp true": lambda: forge(exp=True),
    "F15 iat in the future": lambda: forge(iat=int(time.time()) + 3600, exp=int(time.time()) + 7200),
    "F15 nbf in the future": lambda: forge(nbf=int(time.time()) + 3600),
    "F15 iat missing": lambda: forge(drop="iat"),
    "F16 iss a prefix": lambda: forge(iss="http://testserve"),
    "F16 iss with a suffix": lambda: forge(iss="http://testserver.evil.test"),
    "F16 iss a list": lambda: forge_any(iss=["http://testserver"]),
    "F16 iss missing": lambda: forge(drop="iss"),
    "F17 aud missing": lambda: forge(drop="aud"),
    "F17 aud a list": lambda: forge(aud=["gatehouse"]),
    "F17 aud another": lambda: forge(aud="another"),
    "F18 sub a number": lambda: forge_any(sub=1),
    "F18 sub missing": lambda: forge(drop="sub"),
    "F18 sub empty": lambda: forge(sub=""),
    "F19 sid missing": lambda: forge(drop="sid"),
    "F19 sid no UUID": lambda: forge(sid="1 OR 1=1"),
    "F19 sid another spelling": lambda: forge(sid=str(uuid4()).upper().replace("-", "")),
    "F19 sid a list": lambda: forge(sid=[str(uuid4())]),
    "F19 jti missing": lambda: forge(drop="jti"),
    "F20 a claim changed": lambda: changed_payload(),
    "F20 auth_time missing": lambda: forge(drop="auth_time"),
    "F20 auth_time a text": lambda: forge(auth_time="now"),
    "F21 signature stripped": lambda: with_signature(lambda signature: ""),
    "F21 signature cut": lambda: with_signature(lambda signature: signature[:-4]),
    "F21 signature padded": lambda: with_signature(lambda signature: signature + "="),
    "F21 signature not canonical": lambda: with_signature(non_canonical),
    "F21 trailing dot": lambda: forge() + ".",
    "F21 white space": lambda: forge() + " ",
    "F21 line break": lambda: forge() + "\n",
    "F21 line break before": lambda: "\r\n" + forge(),
    "F22 eight thousand characters": lambda: forge(padding="x" * 8192),
    "F22 a million characters": lambda: "a" * 1_000_000,
    "F23 a deep payload": lambda: resigned(json.dumps(header_of()).encode(), b"[" * 2000),
    "F23 a deep header": lambda: by_hand(b"[" * 180, good_claims(), "AAAA"),
    "F24 invalid UTF-8 in the payload": lambda: resigned(json.dumps(header_of()).encode(), b'{"sub":"\xff"}'),
    "F24 invalid UTF-8 in the header": lambda: by_hand(b'{"alg":"\xff"}', good_claims(), "AAAA"),
    "F24 not ASCII": lambda: "é.é.é",
    "F24 digits of another script": lambda: "١.١.١",
    "nothing": lambda: "",
    "dots": lambda: "..",
    "a payload that is no object": lambda: resigned(json.dumps(header_of()).encode(), b"[]"),
    "a header that is no object": lambda: by_hand([], good_claims(), "AAAA"),
    "the sid itself": lambda: str(uuid4()),
}


def body() -> bytes:
    return json.dumps(good_claims()).encode()


def forge_any(**claims: Any) -> str:
    return resigned(json.dumps(header_of()).encode(), json.dumps(good_claims() | claims).encode())


def changed_payload() -> str:
    head, _, signature = forge().split(".")
    return f"{head}.{segment(good_claims() | {'role': 'super_admin'})}.{signature}"


def test_what_forge_makes_is_good_when_nothing_is_changed(algorithm: str) -> None:
    assert tokens.read_access(forge()).sub == "1"
    assert tokens.read_access(resigned(json.dumps(header_of()).encode(), body())).sub == "1"


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_token_is_refused(name: str, algorithm: str) -> None:
    believe_nothing(FORGED[name]())


def believe_nothing(raw: str) -> None:
    assert refusal(raw) == "access_invalid"
    with pytest.raises(Problem, match="refresh_invalid"):
        tokens.read_refresh(raw, allow_expired=True)


def public_texts() -> dict[str, bytes]:
    """Return what everybody may know of the key in force, in the ways it is written."""
    public = keyring.signing_key().verifying
    pem = keyring.public_pem(public).encode()
    (jwk,) = tokens.public_jwks()
    return {
        "PEM": pem,
        "PEM without its last line break": pem.strip(),
        "PEM with other line breaks": pem.replace(b"\n", b"\r\n"),
        "PEM with spaces": pem.replace(b"\n", b" \n"),
        "PEM with a blank line before": b"\n" + pem,
        "PEM in one line": pem.replace(b"\n", b""),
        "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "JWK": json.dumps(jwk).encode(),
        "JWK without spaces": json.dumps(jwk, separators=(",", ":"), sort_keys=True).encode(),
        "JWK set": json.dumps({"keys": [jwk]}).encode(),
        "number": jwk.get("x", jwk.get("n", "")).encode(),
        "octets of the number": base64.urlsafe_b64decode(jwk.get("x", jwk.get("n", "")) + "=="),
    }


@pytest.mark.parametrize("algorithm", PUBLIC, indirect=True)
def test_f02_a_public_key_is_no_secret(algorithm: str) -> None:
    """In every spelling, under its own name, under that of a shared secret, and under none."""
    for text in public_texts().values():
        believe_nothing(maced(text))
        believe_nothing(maced(text, alg=algorithm))
        believe_nothing(maced(text, kid=keyring.from_secret(KEYS[0]).kid))
        believe_nothing(maced(text, kid=""))


SWAPS = [
    ("HS256", "HS512"),
    ("HS256", "HS384"),
    ("RS256", "RS512"),
    ("RS256", "PS256"),
    ("EdDSA", "Ed25519"),
]


@pytest.mark.parametrize(("algorithm", "other"), SWAPS, indirect=["algorithm"])
def test_f01_a_good_key_signs_by_no_other_algorithm_of_its_kind(algorithm: str, other: str) -> None:
    name = "EdDSA" if other == "Ed25519" else other
    believe_nothing(signed_as(name, json.dumps(header_of(alg=other)).encode(), body()))
    if name != algorithm:
        believe_nothing(signed_as(name, json.dumps(header_of()).encode(), body()))


@pytest.mark.parametrize("alg", ["HS256", "EdDSA", "RS256", "ES256", "ES256K", "none", "HS256 ", "eddsa"])
def test_f01_a_header_names_no_other_algorithm_than_the_key_has(algorithm: str, alg: str) -> None:
    if alg != algorithm:
        believe_nothing(resigned(json.dumps(header_of(alg=alg)).encode(), body()))


def test_f26_tokens_of_each_algorithm_are_believed_side_by_side(session: Session) -> None:
    by_settings = tokens.issue(session)
    plant("EdDSA")
    by_table = tokens.access_for(session)
    assert jwt.get_unverified_header(by_table)["alg"] == "EdDSA"
    for raw in (by_settings.access_token, by_table):
        assert tokens.read_access(raw).sid == session.pk
    assert tokens.read_refresh(by_settings.refresh_token).sid == session.pk


def test_e02_a_refresh_token_is_signed_again_by_the_key_that_its_row_names(session: Session) -> None:
    first = tokens.issue(session).refresh_token
    plant("EdDSA")
    assert tokens.issue(session).refresh_token == first
    session.refresh_kid = RETIRED
    again = tokens.issue(session).refresh_token
    assert jwt.get_unverified_header(again)["kid"] == keyring.signing_key().kid
    assert payload_of(again) == payload_of(first)


def test_f22_a_long_token_costs_nothing() -> None:
    started = time.perf_counter()
    for _ in range(100):
        refusal("a" * 8000 + "." + "b" * 8000 + ".c")
    assert time.perf_counter() - started < 1
