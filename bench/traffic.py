"""A small load generator: a bounded number of requests over kept connections, to loopback only."""

import itertools
import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """Status and body of an answer."""

    status: int
    body: bytes


Sender = Callable[[], Answer]


class Connection:
    """One kept connection that sends prepared bytes and reads just enough of the answer."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket: socket.socket | None = None
        self.rest = b""

    def send(self, request: bytes) -> Answer:
        """Send *request* and return the answer; a connection that the server closed is opened anew."""
        for again in (True, False):
            try:
                return self._send(request)
            except (ConnectionError, BrokenPipeError):
                self.close()
                if not again:
                    raise
        raise AssertionError("unreachable")

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
        self.socket, self.rest = None, b""

    def _send(self, request: bytes) -> Answer:
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=30)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(request)
        while b"\r\n\r\n" not in self.rest:
            self._read()
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))
        while len(self.rest) < length:
            self._read()
        body, self.rest = self.rest[:length], self.rest[length:]
        answer = Answer(int(head[9:12]), body)
        if b"connection: close" in lines:
            self.close()
        return answer

    def _read(self) -> None:
        assert self.socket is not None
        read = self.socket.recv(65536)
        if not read:
            raise ConnectionResetError
        self.rest += read


def request(method: str, path: str, *, body: bytes = b"", **headers: str) -> bytes:
    """Return the bytes of one request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "User-Agent: bench"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def cycle(link: Connection, requests: list[bytes], offset: int) -> Sender:
    """Return what sends *requests* over *link* in turn, beginning at *offset*."""
    turns = itertools.cycle(requests[offset % len(requests) :] + requests[: offset % len(requests)])
    return lambda: link.send(next(turns))


class Refresher:
    """Exchanges one refresh token after the other; *member* is what it is called in the body, both ways."""

    def __init__(self, path: str, member: str, token: str) -> None:
        self.path, self.member, self.token = path, member, token

    def over(self, link: Connection) -> Sender:
        """Return what exchanges the token at hand over *link*."""

        def send() -> Answer:
            body = json.dumps({self.member: self.token}).encode()
            answer = link.send(request("POST", self.path, body=body))
            if answer.status == 200:
                self.token = json.loads(answer.body)[self.member]
            return answer

        return send


def rate(senders: list[Sender], *, number: int) -> float:
    """Send *number* requests by *senders* at once, and return how many a second were answered with 200."""
    share = number // len(senders)
    barrier = threading.Barrier(len(senders) + 1)
    wrong: list[int] = []

    def one(send: Sender) -> None:
        send()
        barrier.wait()
        for _turn in range(share):
            answer = send()
            if answer.status != 200:
                wrong.append(answer.status)

    threads = [threading.Thread(target=one, args=(send,), daemon=True) for send in senders]
    for thread in threads:
        thread.start()
    barrier.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - started
    if wrong:
        raise RuntimeError(f"{len(wrong)} of {number} answers were not 200: {sorted(set(wrong))}")
    return share * len(senders) / elapsed
