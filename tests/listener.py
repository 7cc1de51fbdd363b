"""A server of somebody else's, on this machine: it keeps what it was sent and answers what it is told to."""

import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple


class Received(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Exchange(BaseHTTPRequestHandler):
    """One request and its connection, for an answer to be written to."""

    listener: "Listener"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.listener.received.append(Received(self.command, self.path, headers, body))
        try:
            self.listener.answer(self)
        except OSError:
            self.close_connection = True

    do_GET = do_POST

    def reply(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def ok(exchange: Exchange) -> None:
    exchange.reply(200, b"{}")


@dataclass
class Listener:
    """`place` is `host:port`. `answer` may be replaced at any time."""

    place: str
    answer: Callable[[Exchange], None] = ok
    received: list[Received] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.place.rpartition(":")[2])

    def answers(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.answer = lambda exchange: exchange.reply(status, body, **headers)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that hangs up is none."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextmanager
def listening(address: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Listener]:
    server = _Server((address, port), type("Handler", (Exchange,), {}))
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    listener = Listener(f"{address}:{server.server_port}")
    server.RequestHandlerClass.listener = listener
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield listener
    finally:
        server.shutdown()
        thread.join()
        server.socket.close()
