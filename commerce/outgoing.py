"""Calls to the servers of clients: signed, bounded in time and size, and to public addresses only.

Whoever may write a promotion or a webhook names a URL that this server will call from where it stands, so a URL is
believed nothing. Its host is looked up once, every address found must be a public one, and the connection goes to those
addresses and to nothing that the name might mean a moment later; certificates are still verified for the name. No
redirect is followed and no proxy asked. `settings.OUTGOING_ALLOWED_HOSTS` names the hosts that may be private and
speak plain HTTP.

The wire is httpcore, what httpx itself speaks with: it takes a network backend of one's own.
"""

import base64
import hashlib
import hmac
import re
import socket
import ssl
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import lru_cache
from ipaddress import ip_address, ip_network
from threading import Thread
from typing import Any, NamedTuple

import httpcore
import httpx
from django.conf import settings
from django.core.exceptions import ValidationError

TIMEOUT = 5.0
"""Seconds a call may take in all: lookup, connection and the last byte of the answer."""
MAX_REPLY = 262_144
"""Bytes an answer may have."""
MAX_URL_LENGTH = 2000
MAX_FAILURES = 30
"""A circuit opens with the failure after these, counted without a success between."""

Resolve = Callable[[str, int], list[str]]


class Reply(NamedTuple):
    """Whatever was answered: any status, a redirect too, and the bytes as they came."""

    status: int
    body: bytes


class CalloutFailed(Exception):
    """There is no answer. `reason` is for whoever owns the URL to read."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def resolve(host: str, port: int) -> list[str]:
    """Every address of a host, the one to try first first. Raises OSError where there is none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def post(
    url: str,
    body: bytes,
    shared_secret: str,
    *,
    topic: str | None = None,
    timeout: float = TIMEOUT,
    resolve: Resolve = resolve,
    trust: ssl.SSLContext | None = None,
) -> Reply:
    """Sends a JSON:API document, signed, and reads the answer. `topic` is told in a header of that name.

    `trust` holds the certificate authorities, by default those of the system and of certifi. Raises CalloutFailed.
    """
    deadline = _Deadline(timeout)
    try:
        target = _target(url)
        backend = _Checked(_addresses(target, resolve, deadline), deadline)
        with (
            httpcore.ConnectionPool(ssl_context=trust or _authorities(), network_backend=backend) as pool,
            pool.stream("POST", _wire(target), headers=_headers(body, shared_secret, topic), content=body) as response,
        ):
            return Reply(response.status, _bounded(response))
    except ValidationError as error:
        raise CalloutFailed(f"its URL {error.message}") from error
    except (TimeoutError, httpcore.TimeoutException) as error:
        raise CalloutFailed(f"it did not answer within {timeout:g} seconds") from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise CalloutFailed(f"the connection failed: {str(error) or type(error).__name__}") from error


def signature(body: bytes, shared_secret: str) -> str:
    """What `X-CommerceLayer-Signature` holds: Base64 of the HMAC-SHA256 of the body."""
    return base64.b64encode(hmac.digest(shared_secret.encode(), body, hashlib.sha256)).decode()


def validate_callback_url(url: str) -> None:
    """For a model's `clean`: ValidationError where a URL could never be called. Nothing is looked up."""
    _target(url)


def circuit_state(failures: int) -> str:
    """`open` after more than MAX_FAILURES consecutive failures: no call is made any more; else `closed`."""
    return "open" if failures > MAX_FAILURES else "closed"


# --- Whereto ----------------------------------------------------------------------------------------

_HOST = re.compile(r"[a-z0-9._:-]+")

_UNICAST = ip_network("2000::/3")
"""All of IPv6 that is given out to anybody; what lies outside is local or stands for something else."""

_NOT_PUBLIC = [
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        "192.88.99.0/24",  # relays of 6to4
        "168.63.129.16/32",  # the metadata of a cloud under a public address
        "224.0.0.0/3",  # multicast and reserved
        "2001::/23",  # protocols, Teredo among them
        *("2001:db8::/32", "3fff::/20"),  # documentation
        "2002::/16",  # 6to4
    )
]


def is_public(address: str) -> bool:
    """Whether an address is one of the internet's, and none that leads to another through a mapping or a tunnel."""
    ip = ip_address(address)
    return (ip.version == 4 or ip in _UNICAST) and not any(ip in network for network in _NOT_PUBLIC)


def _target(url: str) -> httpx.URL:
    if len(url) > MAX_URL_LENGTH:
        raise ValidationError(f"is too long (maximum is {MAX_URL_LENGTH} characters)", code="too_long")
    try:
        target = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise ValidationError("is not a URL", code="invalid") from None
    if target.scheme not in ("https", "http") or not _HOST.fullmatch(_host(target)) or not 0 < _port(target) < 65536:
        raise ValidationError("must be like https://example.com/path", code="invalid")
    if target.userinfo:
        raise ValidationError("must not hold credentials", code="invalid")
    if target.scheme == "http" and not _is_allowed(target):
        raise ValidationError("must begin with https://", code="invalid")
    return target


def _host(target: httpx.URL) -> str:
    return target.raw_host.decode("ascii")


def _port(target: httpx.URL) -> int:
    return {"https": 443, "http": 80}[target.scheme] if target.port is None else target.port


def _is_allowed(target: httpx.URL) -> bool:
    host = f"[{_host(target)}]" if ":" in _host(target) else _host(target)
    return any(entry.lower() in (host, f"{host}:{_port(target)}") for entry in settings.OUTGOING_ALLOWED_HOSTS)


def _wire(target: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path)


def _addresses(target: httpx.URL, resolve: Resolve, deadline: "_Deadline") -> list[str]:
    try:
        addresses = _looked_up(resolve, _host(target), _port(target), deadline)
    except TimeoutError:
        raise
    except (OSError, UnicodeError) as error:
        raise CalloutFailed("its host was not found") from error
    if not addresses:
        raise CalloutFailed("its host was not found")
    if not _is_allowed(target) and not all(map(is_public, addresses)):
        raise CalloutFailed("its host has an address that is not public")
    return addresses


def _looked_up(resolve: Resolve, host: str, port: int, deadline: "_Deadline") -> list[str]:
    """In a thread, for a lookup knows no time limit; one that is given up ends when the system's resolver does."""
    found: Future[list[str]] = Future()

    def look_up() -> None:
        try:
            found.set_result(resolve(host, port))
        except Exception as error:
            found.set_exception(error)

    Thread(target=look_up, name="lookup", daemon=True).start()
    return found.result(deadline.left())


# --- The call ---------------------------------------------------------------------------------------


def _headers(body: bytes, shared_secret: str, topic: str | None) -> dict[bytes | str, bytes | str]:
    headers: dict[bytes | str, bytes | str] = {
        "Content-Type": "application/vnd.api+json",
        "Accept": "application/json, application/vnd.api+json",
        "Accept-Encoding": "identity",
        "User-Agent": "Tessera",
        "X-CommerceLayer-Signature": signature(body, shared_secret),
    }
    return headers | ({"X-CommerceLayer-Topic": topic} if topic else {})


def _bounded(response: httpcore.Response) -> bytes:
    body = bytearray()
    for chunk in response.iter_stream():
        body += chunk
        if len(body) > MAX_REPLY:
            raise CalloutFailed(f"it answered more than {MAX_REPLY} bytes")
    return bytes(body)


@lru_cache
def _authorities() -> ssl.SSLContext:
    return httpcore.default_ssl_context()


class _Deadline:
    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds, above zero. Raises TimeoutError."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _Checked(httpcore.NetworkBackend):
    """Connects to addresses that were checked, whatever it is asked for. Each gets its part of the time."""

    def __init__(self, addresses: list[str], deadline: _Deadline) -> None:
        self._addresses = addresses
        self._deadline = deadline

    def connect_tcp(
        self, host: str, port: int, timeout: Any = None, local_address: Any = None, socket_options: Any = None
    ) -> httpcore.NetworkStream:
        *others, last = self._addresses
        for tried, address in enumerate(others):
            try:
                return self._connected(address, port, self._deadline.left() / (len(self._addresses) - tried))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return self._connected(last, port, self._deadline.left())

    def _connected(self, address: str, port: int, timeout: float) -> httpcore.NetworkStream:
        return _InTime(httpcore.SyncBackend().connect_tcp(address, port, timeout), self._deadline)


class _InTime(httpcore.NetworkStream):
    """A connection on which every step has the time that is left of the whole, and no step a time of its own."""

    PIECE = 16_384

    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: Any = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: Any = None) -> None:
        for start in range(0, len(buffer), self.PIECE):
            self._stream.write(buffer[start : start + self.PIECE], self._deadline.left())

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: Any = None
    ) -> httpcore.NetworkStream:
        return _InTime(self._stream.start_tls(ssl_context, server_hostname, self._deadline.left()), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def close(self) -> None:
        self._stream.close()
