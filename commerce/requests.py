"""What every HTTP request passes: the forwarded host, the request id and the log line."""

import json
import logging
import re
import time
import uuid
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from commerce import clock

log = logging.getLogger("tessera.request")

GetResponse = Callable[[HttpRequest], HttpResponse]
_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class ForwardedMiddleware:
    """Makes scheme, host and client address those the client used, when a trusted proxy tells them."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.networks = [ip_network(proxy, strict=False) for proxy in settings.TRUSTED_PROXIES]

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if self.networks and self._is_trusted(request.META.get("REMOTE_ADDR", "")):
            self._believe(request)
        return self.get_response(request)

    def _is_trusted(self, address: str) -> bool:
        try:
            peer = ip_address(address)
        except ValueError:
            return False
        return any(peer in network for network in self.networks)

    def _believe(self, request: HttpRequest) -> None:
        meta = request.META
        if host := meta.get("HTTP_X_FORWARDED_HOST"):
            meta["HTTP_HOST"] = host.split(",")[-1].strip()
        if meta.get("HTTP_X_FORWARDED_PROTO", "").split(",")[-1].strip() in ("http", "https"):
            scheme = meta["HTTP_X_FORWARDED_PROTO"].split(",")[-1].strip()
            meta["wsgi.url_scheme"] = request.environ["wsgi.url_scheme"] = scheme  # type: ignore[attr-defined]
        for address in reversed(meta.get("HTTP_X_FORWARDED_FOR", "").split(",")):
            if address.strip() and not self._is_trusted(address.strip()):
                meta["REMOTE_ADDR"] = address.strip()
                break


class RequestLogMiddleware:
    """Gives each request an id, answers with it and writes one line about it."""

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
            log.info("request", extra={"fields": self._line(request, response, request_id, started)})
        return response

    @staticmethod
    def _line(request: HttpRequest, response: HttpResponse, request_id: str, started: float) -> dict[str, Any]:
        return {
            "request_id": request_id,
            "method": request.method,
            "path": request.path,
            "status": response.status_code,
            "milliseconds": round((time.perf_counter() - started) * 1000, 1),
            "address": request.META.get("REMOTE_ADDR"),
            "application": getattr(request, "application_id", None),
        }


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
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
