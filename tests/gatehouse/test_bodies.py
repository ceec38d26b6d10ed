import json

import pytest

from gatehouse.bodies import DEEPEST, read_object
from gatehouse.problems import Problem

pytestmark = [pytest.mark.django_db, pytest.mark.one_engine]
STRICT = "/api/v1/strict"


def post(site, body, content_type="application/json", **extra):
    return site.generic("POST", STRICT, body, content_type=content_type, **extra)


def refusals(response):
    return {error["pointer"]: error["code"] for error in response.json()["errors"]}


@pytest.mark.parametrize(
    "body",
    [
        "{",
        " ",
        "nonsense",
        '{"text": "a", "text": "b"}',
        '{"text": NaN}',
        '{"text": -Infinity}',
        '{"text": 1e999}',
        '{"text": ' + "9" * 5000 + "}",
        '{"text": ' + "[" * DEEPEST + "]" * DEEPEST + "}",
        "[" * 30_000,
        '{"a":' * 10_000,
        b'{"text": "\xff"}',
        b'\xef\xbb\xbf{"text": "a"}',
        '{"text": "a"}'.encode("utf-16"),
    ],
)
def test_h03_h04_h06_h13_what_is_not_strict_json_is_bad_json(site, body):
    response = post(site, body)
    assert (response.status_code, response.json()["code"]) == (400, "bad_json")


@pytest.mark.parametrize("body", ["[]", '"text"', "1", "null", "[{}]"])
def test_json_that_is_no_object_is_validation_failed(site, body):
    response = post(site, body)
    assert response.json()["code"] == "validation_failed"
    assert refusals(response) == {"#": "invalid"}


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""])
def test_an_empty_body_is_an_empty_object(site, content_type):
    assert post(site, "", content_type=content_type).json() == {}


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "multipart/form-data; boundary=x", ""])
def test_g04_h14_another_media_type_is_415(site, content_type):
    assert post(site, "{}", content_type=content_type).status_code == 415


@pytest.mark.parametrize(
    ("accept", "status"),
    [("text/html", 406), ("application/json;q=0", 406), ("application/json", 200), ("*/*;q=0.1", 200), ("", 200)],
)
def test_only_json_is_answered(site, accept, status):
    assert post(site, "{}", HTTP_ACCEPT=accept).status_code == status


def test_h02_a_large_body_is_413_and_the_largest_is_read(site):
    assert post(site, b" " * 65_537).json()["code"] == "payload_too_large"
    assert post(site, b" " * 65_536).status_code == 400
    assert site.generic("POST", "/exempt", b"x" * 65_537, content_type="text/plain").status_code == 413


@pytest.mark.parametrize(
    "extra",
    [{"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}, {"CONTENT_LENGTH": "-1"}, {"CONTENT_LENGTH": "1e3"}],
)
def test_h02_a_body_without_a_true_length_is_413(site, extra):
    assert post(site, "{}", **extra).status_code == 413


def test_verdicts_come_in_the_order_of_the_contract(site):
    large, wrong = b"x" * 70_000, {"content_type": "text/plain", "HTTP_ACCEPT": "text/html"}
    send = site.generic
    assert send("POST", "/api/v1/nothing", large, **wrong).status_code == 413
    assert send("POST", "/api/v1/nothing", b"x", **wrong).status_code == 404
    assert send("PUT", "/api/v1/me", b"x", **wrong).status_code == 405
    assert send("OPTIONS", "/api/v1/me", b"", **wrong).status_code == 405
    assert send("POST", "/api/v1/me", b"x", **wrong).status_code == 401
    assert send("POST", STRICT, b"x", **wrong).status_code == 406
    assert send("POST", STRICT, b"x", content_type="text/plain").status_code == 415
    assert send("POST", STRICT, b"x", content_type="application/json").status_code == 400


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"extra": 1, "is_staff": True}, {"#/extra": "unknown_field", "#/is_staff": "unknown_field"}),
        ({"text": 5, "other": 1}, {"#/text": "invalid", "#/other": "unknown_field"}),
        ({"text": None}, {"#/text": "null"}),
        ({"text": "  "}, {"#/text": "blank"}),
        ({"text": "a" * 11}, {"#/text": "max_length"}),
        ({"text": "a\u0000"}, {"#/text": "invalid"}),
        ({"text": "a\u202eb"}, {"#/text": "invalid"}),
        ({"text": "\ud800"}, {"#/text": "invalid"}),
        ({"text": ["a"]}, {"#/text": "invalid"}),
        ({"text": {}}, {"#/text": "invalid"}),
        ({"email": "nobody"}, {"#/email": "invalid"}),
        ({"email": 1}, {"#/email": "invalid"}),
        ({"email": "a" * 250 + "@x.test"}, {"#/email": "max_length"}),
        ({"password": 123456}, {"#/password": "invalid"}),
        ({"password": ""}, {"#/password": "blank"}),
        ({"password": "a\u0000b"}, {"#/password": "invalid"}),
        ({"password": "\udc00"}, {"#/password": "invalid"}),
        ({"code": 123456}, {"#/code": "invalid"}),
        ({"code": "12é456"}, {"#/code": "invalid"}),
        ({"yes": "true"}, {"#/yes": "invalid"}),
        ({"yes": 1}, {"#/yes": "invalid"}),
        ({"id": 5}, {"#/id": "invalid"}),
        ({"id": "5"}, {"#/id": "invalid"}),
        ({"word": 1}, {"#/word": "invalid"}),
        ({"word": "c"}, {"#/word": "invalid_choice"}),
        ({"items": [{"name": "a"}, {"name": "abcdef"}]}, {"#/items/1/name": "max_length"}),
        ({"items": [{"name": "a", "b": 1}]}, {"#/items/0/b": "unknown_field"}),
        ({"items": 1}, {"#/items": "not_a_list"}),
        ({"\ud800" * 200: 1}, {"#/" + "\ud800" * 100: "unknown_field"}),
    ],
)
def test_shapes_are_strict(site, sent, expected):
    response = post(site, json.dumps(sent))
    assert response.status_code == 400
    assert refusals(response) == expected


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"text": "  a "}, {"text": "a"}),
        ({"password": "  ä🙂 "}, {"password": "  ä🙂 "}),
        ({"code": " 123-456\n"}, {"code": "123456"}),
        ({"code": "１２３４５６"}, {"code": "123456"}),
        ({"email": " Jane@Example.COM "}, {"email": "Jane@Example.COM"}),
        ({"yes": False}, {"yes": "False"}),
    ],
)
def test_values_are_read_as_the_contract_says(site, sent, read):
    assert post(site, json.dumps(sent)).json() == read


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("x=1", {"?x": "unknown_field"}),
        ("limit=0", {"?limit": "min_value"}),
        ("limit=a", {"?limit": "invalid"}),
        ("limit=1&limit=2", {"?limit": "invalid"}),
        ("format=json", {"?format": "unknown_field"}),
        ("user__password__startswith=a", {"?user__password__startswith": "unknown_field"}),
    ],
)
def test_h13_h15_queries_are_strict(site, query, expected):
    response = site.get(f"/api/v1/list?{query}")
    assert response.status_code == 400
    assert refusals(response) == expected


def test_lists_in_a_query_may_repeat_and_others_are_refused_where_none_is_known(site):
    assert site.get("/api/v1/list?type=a&type=b&limit=3").json() == {"limit": 3, "type": ["a", "b"]}
    assert refusals(site.post(STRICT + "?a=1", {}, content_type="application/json")) == {"?a": "unknown_field"}


def test_a_slash_at_the_end_reaches_the_same_view(site):
    assert site.post(STRICT + "/", {"text": "a"}, content_type="application/json").json() == {"text": "a"}


def test_depth_is_counted_without_recursion():
    deep = b'{"a":' * (DEEPEST - 1) + b"{}" + b"}" * (DEEPEST - 1)
    assert read_object(deep)
    with pytest.raises(Problem):
        read_object(b'{"a":' + deep + b"}")
