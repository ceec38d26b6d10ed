"""A wire to a database server that can freeze: it goes on taking connections and bytes, and passes nothing on."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit


class Wire:
    """Stands between a site and the server of *url*. ``freeze_at`` freezes it once a client sends such bytes."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or "127.0.0.1", parts.port or (3306 if parts.scheme == "mysql" else 5432))
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=50)
        self._flows = threading.Event()
        self._flows.set()
        self._sockets: list[socket.socket] = []
        self.freeze_at = b""
        account = parts.netloc.rpartition("@")[0]
        port = self._listener.getsockname()[1]
        self.url = urlunsplit(parts._replace(netloc=f"{account}@127.0.0.1:{port}"))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def is_frozen(self) -> bool:
        return not self._flows.is_set()

    def freeze(self) -> None:
        self._flows.clear()

    def thaw(self) -> None:
        """Let everything pass again, what was held back first."""
        self.freeze_at = b""
        self._flows.set()

    def close(self) -> None:
        self.thaw()
        self._listener.close()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                server = socket.create_connection(self._server)
                self._sockets += [client, server]
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=(source, target, client), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for said in _all_of(source):
                if source is client and self.freeze_at and self.freeze_at in said:
                    self.freeze()
                self._flows.wait()
                target.sendall(said)
            self._flows.wait()
            target.shutdown(socket.SHUT_WR)


def _all_of(source: socket.socket) -> Iterator[bytes]:
    while said := source.recv(65536):
        yield said
