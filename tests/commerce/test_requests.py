import json
import logging
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client, RequestFactory

from commerce.requests import ForwardedMiddleware, JsonFormatter

LEFT_ALONE = {"uri": "http://shop.test/here", "address": "10.0.0.7", "secure": False}


def told(request: HttpRequest) -> HttpResponse:
    """What a view learns about where a request came from."""
    return JsonResponse(
        {
            "uri": request.build_absolute_uri("/here"),
            "address": request.META["REMOTE_ADDR"],
            "secure": request.is_secure(),
        }
    )


def ask(peer: str = "10.0.0.7", **headers: str) -> dict[str, Any]:
    request = RequestFactory().get("/", headers={"host": "shop.test", **headers}, REMOTE_ADDR=peer)
    return json.loads(ForwardedMiddleware(told)(request).content)


FORWARDED = {"x-forwarded-host": "api.example.com", "x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.9"}


@pytest.mark.parametrize("proxy", ["10.0.0.7", "10.0.0.0/24", "10.0.0.1/24"])
def test_a_trusted_proxy_is_believed(settings: LazySettings, proxy: str) -> None:
    settings.TRUSTED_PROXIES = [proxy]

    expected = {"uri": "https://api.example.com/here", "address": "203.0.113.9", "secure": True}
    assert ask(**FORWARDED) == expected
    assert ask("::ffff:10.0.0.7", **FORWARDED) == expected


@pytest.mark.parametrize("proxies", [[], ["10.0.0.8"], ["192.168.0.0/16", "fd00::/8"]])
def test_nobody_else_is_believed(settings: LazySettings, proxies: list[str]) -> None:
    settings.TRUSTED_PROXIES = proxies

    assert ask(**FORWARDED) == LEFT_ALONE


@pytest.mark.parametrize("peer", ["", "unix:", "not an address"])
def test_a_peer_without_an_address_is_not_believed(settings: LazySettings, peer: str) -> None:
    settings.TRUSTED_PROXIES = ["0.0.0.0/0", "::/0"]

    assert ask(peer, **FORWARDED) == {**LEFT_ALONE, "address": peer}


def test_what_a_client_wrote_before_the_proxy_counts_for_nothing(settings: LazySettings) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/24"]

    answer = ask(
        **{
            "x-forwarded-host": "evil.test, api.example.com",
            "x-forwarded-proto": "https, http",
            "x-forwarded-for": "1.2.3.4, 203.0.113.9, 10.0.0.3",
        }
    )

    assert answer == {"uri": "http://api.example.com/here", "address": "203.0.113.9", "secure": False}


@pytest.mark.parametrize(
    ("chain", "address"),
    [
        ("203.0.113.9:4711", "203.0.113.9"),
        ("2001:db8::9", "2001:db8::9"),
        ("[2001:db8::9]:4711", "2001:db8::9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("10.0.0.4, 10.0.0.3", "10.0.0.4"),
        ("203.0.113.9, unknown, 10.0.0.3", "10.0.0.3"),
        ("203.0.113.9, <script>", "10.0.0.7"),
        (",", "10.0.0.7"),
    ],
)
def test_the_client_is_the_first_address_that_no_trusted_proxy_has(
    settings: LazySettings, chain: str, address: str
) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/24"]

    assert ask(**{"x-forwarded-for": chain})["address"] == address


@pytest.mark.parametrize("scheme", ["ftp", "javascript", "", "https:"])
def test_only_http_and_https_are_schemes(settings: LazySettings, scheme: str) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.7"]

    assert ask(**{"x-forwarded-proto": scheme}) == LEFT_ALONE


@pytest.mark.parametrize("host", ["a b", "a,b", "<script>", "shop.test:port", "a/b", "user@shop.test", "[::1", "", "é"])
@pytest.mark.parametrize("header", ["host", "x-forwarded-host"])
def test_a_malformed_host_is_a_400(settings: LazySettings, client: Client, header: str, host: str) -> None:
    settings.TRUSTED_PROXIES = ["127.0.0.1"]

    answer = client.get("/healthz", headers={header: host})

    # An empty X-Forwarded-Host says nothing, and the last of several is the proxy's own.
    said_nothing = header == "x-forwarded-host" and host in ("", "a,b")
    assert answer.status_code == (200 if said_nothing else 400)
    assert answer["x-request-id"]


def test_any_host_is_served_until_the_site_restricts_it(settings: LazySettings, client: Client) -> None:
    assert client.get("/healthz", headers={"host": "whatever.test:8443"}).status_code == 200

    settings.ALLOWED_HOSTS = [".example.com"]

    assert client.get("/healthz", headers={"host": "acme.example.com"}).status_code == 200
    assert client.get("/healthz", headers={"host": "whatever.test:8443"}).status_code == 400


def test_a_proxy_that_is_no_address_is_refused_at_the_start(settings: LazySettings) -> None:
    settings.TRUSTED_PROXIES = ["proxy.internal"]

    with pytest.raises(ImproperlyConfigured, match=r"TRUSTED_PROXIES: 'proxy\.internal'"):
        ForwardedMiddleware(told)


def test_an_acceptable_request_id_is_kept(client: Client) -> None:
    assert client.get("/healthz", headers={"x-request-id": "trace-1.A_b"})["x-request-id"] == "trace-1.A_b"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "é", 'a"b', "a\nb"])
def test_any_other_request_id_is_replaced_by_a_fresh_one(client: Client, given: str) -> None:
    first, second = (client.get("/healthz", headers={"x-request-id": given})["x-request-id"] for _ in range(2))

    assert len(first) == len(second) == 32
    assert len({given, first, second}) == 3


def test_a_request_is_one_line_without_query_or_secrets(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "tessera.request"):
        client.post(
            "/healthz?filter[q][code_eq]=SECRET-CODE",
            {"client_secret": "SECRET-BODY"},
            headers={"authorization": "Bearer SECRET-TOKEN", "x-request-id": "r1"},
        )

    (record,) = [record for record in caplog.records if record.name == "tessera.request"]
    text = JsonFormatter().format(record)
    line = json.loads(text)
    assert {name: line[name] for name in line if name not in ("time", "milliseconds")} == {
        "level": "info",
        "logger": "tessera.request",
        "message": "request",
        "request_id": "r1",
        "method": "POST",
        "path": "/healthz",
        "status": 405,
        "address": "127.0.0.1",
        "application": None,
    }
    assert "SECRET" not in text


def test_a_line_stays_one_line_of_json_whatever_it_holds() -> None:
    record = logging.makeLogRecord(
        {"name": "x", "levelname": "ERROR", "msg": "a\n\ud800 %s", "args": ('"',), "fields": {"what": {1, 2} - {2}}}
    )

    text = JsonFormatter().format(record)

    assert "\n" not in text
    assert json.loads(text)["what"] == "{1}"
    assert json.loads(text)["message"] == 'a\n\ud800 "'


def test_an_error_names_the_request_it_happened_in() -> None:
    request = RequestFactory().get("/")
    request.request_id = "r2"  # type: ignore[attr-defined]
    try:
        raise ValueError("broken")
    except ValueError as error:
        record = logging.makeLogRecord({"request": request, "exc_info": (ValueError, error, error.__traceback__)})

    line = json.loads(JsonFormatter().format(record))

    assert line["request_id"] == "r2"
    assert line["exception"].endswith("ValueError: broken")


def test_a_browser_may_call_the_api_from_any_page(client: Client) -> None:
    answer = client.options(
        "/api/coupons",
        headers={
            "origin": "https://shop.example",
            "access-control-request-method": "PATCH",
            "access-control-request-headers": "authorization,content-type,accept,user-agent",
        },
    )

    assert answer.status_code == 200
    assert answer["access-control-allow-origin"] == "*"
    assert answer["access-control-allow-methods"] == "GET, POST, PATCH, DELETE, OPTIONS"
    assert {"authorization", "content-type", "accept", "user-agent"} <= set(
        answer["access-control-allow-headers"].split(", ")
    )


def test_a_browser_may_read_the_headers_clients_count_on(client: Client) -> None:
    answer = client.get("/api/coupons", headers={"origin": "https://shop.example"})

    exposed = answer["access-control-expose-headers"].lower().split(", ")
    assert {"x-ratelimit-interval", "x-ratelimit-limit", "x-ratelimit-remaining", "authorization"} <= set(exposed)


def test_other_pages_get_nothing_out_of_the_admin(client: Client) -> None:
    answer = client.get("/admin/login/", headers={"origin": "https://shop.example"})

    assert "access-control-allow-origin" not in answer
