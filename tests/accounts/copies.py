"""Copies of one's data: asked for, made by the worker and read, as the tests of them do."""

import csv
import io
import json
import zipfile
from typing import Any

from accounts.models import Export
from accounts.services import export_making
from tests.factories import Api, bearer


def ask(api: Api, body: dict[str, Any], **given: Any) -> Any:
    return api.post("/me/export", given or None, **bearer(body))


def look(api: Api, body: dict[str, Any], export_id: object) -> Any:
    return api.get(f"/me/export/{export_id}", **bearer(body))


def fetch(api: Api, body: dict[str, Any], export_id: object) -> Any:
    return api.get(f"/me/export/{export_id}/file", **bearer(body))


def asked(api: Api, body: dict[str, Any]) -> str:
    """Ask for an export, and return its id."""
    answer = ask(api, body)
    assert answer.status_code == 202, answer.content
    return str(answer.json()["id"])


def ready(api: Api, body: dict[str, Any]) -> str:
    """Ask for an export, have it made, and return its id."""
    export_id = asked(api, body)
    assert export_making.make_due() == 1
    assert Export.objects.get(pk=export_id).state == "ready", Export.objects.get(pk=export_id).error
    return export_id


def read(content: bytes) -> tuple[dict[str, Any], dict[str, list[list[str]]], str]:
    """Return the JSON, the CSVs by their name, and the README of a zip."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    tables = {
        name.removesuffix(".csv"): list(csv.reader(io.StringIO(text, newline="")))
        for name, text in texts.items()
        if name.endswith(".csv")
    }
    return json.loads(texts["account.json"]), tables, texts["README.txt"]


def content_of(answer: Any) -> bytes:
    """Read an answer to its end; the test client closes it then, as a server does."""
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content)


def break_off(answer: Any) -> None:
    """Let go of an answer wherever it is, as Django does when the connection breaks, but keep the test's database."""
    answer._resource_closers[0]()
