"""What every HTTP request passes: the request id, the log line, and the scheme, host and address the client used."""

import json
import logging
import re
import time
import uuid
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse

from commerce import clock

log = logging.getLogger("tessera.request")

GetResponse = Callable[[HttpRequest], HttpResponse]
Address = IPv4Address | IPv6Address
_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestLogMiddleware:
    """Gives each request an id, answers with it and writes one line about it.

    A caller's own `X-Request-Id` is kept if it is at most 64 letters, digits, dots, dashes and underscores.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _ACCEPTABLE_ID.fullmatch(given) else uuid.uuid4().hex
        request.request_id = request_id  # type: ignore[attr-defined]
        response = self.get_response(request)
        response.headers["x-request-id"] = request_id
        if log.isEnabledFor(logging.INFO):
            log.info("request", extra={"fields": self._line(request, response, started)})
        return response

    @staticmethod
    def _line(request: HttpRequest, response: HttpResponse, started: float) -> dict[str, Any]:
        return {
            "request_id": request.request_id,  # type: ignore[attr-defined]
            "method": request.method,
            "path": request.path,
            "status": response.status_code,
            "milliseconds": round((time.perf_counter() - started) * 1000, 1),
            "address": request.META.get("REMOTE_ADDR"),
            "application": getattr(request, "application_id", None),
        }


class ForwardedMiddleware:
    """Makes scheme, host and client address those the client used, when a trusted proxy tells them."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        try:
            self.networks = [ip_network(proxy, strict=False) for proxy in settings.TRUSTED_PROXIES]
        except ValueError as error:
            raise ImproperlyConfigured(f"TRUSTED_PROXIES: {error}") from error

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if self.networks and self._trusts(_address(request.META.get("REMOTE_ADDR", ""))):
            self._believe(request.META)
        return self.get_response(request)

    def _trusts(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self.networks)

    def _believe(self, meta: dict[str, Any]) -> None:
        if host := _last(meta.get("HTTP_X_FORWARDED_HOST", "")):
            meta["HTTP_HOST"] = host
        if (scheme := _last(meta.get("HTTP_X_FORWARDED_PROTO", "")).lower()) in ("http", "https"):
            meta["wsgi.url_scheme"] = scheme
        for told in reversed(meta.get("HTTP_X_FORWARDED_FOR", "").split(",")):
            address = _address(told)
            if address is None:
                break
            meta["REMOTE_ADDR"] = str(address)
            if not self._trusts(address):
                break


def _last(header: str) -> str:
    """What the nearest proxy said; whatever stands before it, the client may have written."""
    return header.rpartition(",")[2].strip()


def _address(told: str) -> Address | None:
    """An address as proxies write it: `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1` or `[2001:db8::1]:4711`."""
    told = told.strip()
    if told.startswith("["):
        told = told[1:].partition("]")[0]
    elif told.count(":") == 1:
        told = told.partition(":")[0]
    try:
        address = ip_address(told)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


class JsonFormatter(logging.Formatter):
    """One JSON object a line. Query strings and bodies are never logged: they hold codes and addresses."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": clock.wire(clock.now()),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        # Django hands the request along with an error; its id leads to the line above.
        if request_id := getattr(getattr(record, "request", None), "request_id", None):
            line["request_id"] = request_id
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
