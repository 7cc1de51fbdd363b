"""CPU time of requests in this process, through everything the server would run, and requests a second from outside."""

import io
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.request import urlopen

from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.wsgi import application

MEDIA_TYPE = "application/vnd.api+json"
ROUNDS = 9
SECONDS_A_ROUND = 0.25


@dataclass(frozen=True)
class Endpoint:
    """Requests of one kind: `paths` gives the next one, with its body."""

    requests: Iterator[tuple[str, bytes]]
    token: str = ""
    method: str = "GET"

    def exchange(self) -> bytes:
        """One request, answered. What is no success ends the bench."""
        path, body = next(self.requests)
        statuses: list[str] = []
        answer = application(self._environ(path, body), lambda status, headers: statuses.append(status))
        content = b"".join(answer)
        answer.close()
        assert statuses[0][0] == "2", f"{path}: {statuses[0]} {content.decode()}"
        return content

    def _environ(self, path: str, body: bytes) -> dict[str, object]:
        path, _, query = path.partition("?")
        environ = {
            "REQUEST_METHOD": self.method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SCRIPT_NAME": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "localhost:8000",
            "HTTP_ACCEPT": MEDIA_TYPE,
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
        }
        if self.token:
            environ["HTTP_AUTHORIZATION"] = f"Bearer {self.token}"
        if body:
            environ |= {"CONTENT_TYPE": MEDIA_TYPE, "CONTENT_LENGTH": str(len(body))}
        return environ


class Measured(Protocol):
    def exchange(self) -> object:
        """Does once what is measured."""


def cpu(endpoints: Sequence[Measured]) -> list[float]:
    """CPU seconds of one exchange of each: the round least disturbed by whatever else runs, of rounds in turns."""
    counts = [max(5, int(SECONDS_A_ROUND / _seconds(endpoint, 5))) for endpoint in endpoints]
    rounds = [[_seconds(*pair) for pair in zip(endpoints, counts, strict=True)] for _ in range(ROUNDS)]
    return [min(taken) for taken in zip(*rounds, strict=True)]


def _seconds(endpoint: Measured, count: int) -> float:
    started = time.process_time()
    for _ in range(count):
        endpoint.exchange()
    return (time.process_time() - started) / count


def statements(endpoint: Endpoint) -> int:
    """Statements one request runs, `BEGIN` and its like aside."""
    endpoint.exchange()
    with CaptureQueriesContext(connection) as captured:
        endpoint.exchange()
    return sum(query["sql"].split()[0] in ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH") for query in captured)


# --- Over HTTP ----------------------------------------------------------------------------------------------------


@contextmanager
def server(workers: int = 1) -> Iterator[str]:
    """The URL of granian on this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    served = ["--workers", str(workers), "--blocking-threads", "4", "--port", str(port), "--no-log"]
    command = ["-m", "granian", "--interface", "wsgi", *served]
    process = subprocess.Popen([sys.executable, *command, "config.wsgi:application"])
    url = f"http://127.0.0.1:{port}"
    try:
        _await(f"{url}/healthz")
        yield url
    finally:
        process.terminate()
        process.wait()


def _await(url: str) -> None:
    for _ in range(100):
        try:
            urlopen(url, timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"{url} does not answer")


def requests_a_second(url: str, paths: Sequence[str], token: str) -> list[float]:
    """What wrk reaches with eight connections on each path, the median of rounds in which they take turns."""
    rounds = [[_untroubled(url + path, token) for path in paths] for _ in range(3)]
    return [statistics.median(reached) for reached in zip(*rounds, strict=True)]


def _untroubled(url: str, token: str) -> float:
    reached = load(url, token)
    assert not reached.refused, f"{url}: {reached.refused} requests were refused"
    return reached.a_second


class Reached(NamedTuple):
    requests: int
    refused: int
    """Of those requests."""
    a_second: float


def load(url: str, token: str, clients: int = 8, seconds: int = 2, script: Path | None = None) -> Reached:
    """What wrk reaches with so many connections. `script`, in Lua, makes requests that are no plain GET."""
    headers = ["-H", f"Authorization: Bearer {token}", "-H", f"Accept: {MEDIA_TYPE}"]
    scripted = ["-s", str(script)] if script else []
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "30s", *scripted, *headers, url]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    requests, a_second = re.search(r"(\d+) requests in", told), re.search(r"Requests/sec:\s+([\d.]+)", told)
    assert requests, told
    assert a_second, told
    assert "Socket errors" not in told, told
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", told)
    return Reached(int(requests[1]), int(refused[1]) if refused else 0, float(a_second[1]))
