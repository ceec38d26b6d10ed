"""Another origin's page in a real browser: a named one may read our answers, any other may not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.live import LiveSite

pytestmark = pytest.mark.browser

ASK = """async ([url, options]) => {
  try {
    const answer = await fetch(url, options);
    return {status: answer.status, requestId: answer.headers.get("X-Request-ID"), body: await answer.json()};
  } catch (error) { return {refused: error.name}; }
}"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve *folder* from an origin of its own."""
    (folder / "index.html").write_text("<!doctype html><title>Another origin</title>")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(page: Any, site: LiveSite, path: str, **options: Any) -> dict[str, Any]:
    """Let the page that is open fetch *path* of our API."""
    found: dict[str, Any] = page.evaluate(ASK, [f"{site.url}{path}", {"credentials": "include", **options}])
    return found


def test_g07_an_origin_that_is_named_reads_answers_and_headers(
    page: Any, make_site: Callable[..., LiveSite], tmp_path: Path
) -> None:
    with serving(tmp_path) as origin:
        site = make_site(CORS_ORIGINS=origin).start(worker=False)
        page.goto(origin)
        config = ask(page, site, "/api/v1/config")
        assert config["status"] == 200
        assert config["requestId"]
        headers = {"Content-Type": "application/json", "X-Auth-Transport": "cookie"}
        login = ask(page, site, "/api/v1/auth/login", method="POST", headers=headers, body="{}")
        assert (login["status"], login["body"]["code"]) == (400, "validation_failed")


def test_g07_another_origin_reads_nothing(page: Any, make_site: Callable[..., LiveSite], tmp_path: Path) -> None:
    with serving(tmp_path) as origin:
        site = make_site(CORS_ORIGINS="http://localhost:1").start(worker=False)
        page.goto(origin)
        assert ask(page, site, "/api/v1/config") == {"refused": "TypeError"}
        headers = {"Content-Type": "application/json", "X-Auth-Transport": "cookie"}
        refresh = ask(page, site, "/api/v1/auth/refresh", method="POST", headers=headers, body="{}")
        assert refresh == {"refused": "TypeError"}
