"""Calls to servers of others, against real ones on this machine."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.conf import LazySettings
from django.core.exceptions import ValidationError

from commerce import outgoing
from commerce.outgoing import CalloutFailed, Reply
from tests.listener import Exchange, Listener, listening

SECRET = "6f2d5c1b0a9e8d7c6b5a493827160f5e"
BODY = b'{"data":{"type":"orders","id":"wBXVhKzrnq"}}'


class Authority(NamedTuple):
    """A certificate authority of one certificate, for `promo.test`."""

    serving: ssl.SSLContext
    trust: ssl.SSLContext


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("certificates")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "promo.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("promo.test")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = _written(folder / "promo.pem", key, certificate)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(file)
    return Authority(serving, ssl.create_default_context(cafile=str(file)))


def _written(file: Path, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> Path:
    pem = serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(plain + certificate.public_bytes(pem))
    return file


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Speaks plain HTTP, and is not allowed yet."""
    with listening() as listener:
        yield listener


@pytest.fixture
def secure(authority: Authority) -> Iterator[Listener]:
    with listening(tls=authority.serving) as listener:
        yield listener


@pytest.fixture
def allowed(settings: LazySettings, listener: Listener) -> Listener:
    settings.OUTGOING_ALLOWED_HOSTS = [listener.place]
    return listener


class Names:
    """A resolver that gives one answer after another and counts how often it was asked."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        return self.answers.pop(0)


def reason_of(url: str, **options: object) -> str:
    with pytest.raises(CalloutFailed) as failed:
        outgoing.post(url, BODY, SECRET, **options)
    return failed.value.reason


# --- What is sent and read --------------------------------------------------------------------------


def test_a_document_is_posted_with_its_signature_and_topic(allowed: Listener) -> None:
    allowed.answers(b'{"success":true}', status=201)

    reply = outgoing.post(f"http://{allowed.place}/a/b?c=d#e", BODY, SECRET, topic="orders.place")

    assert reply == Reply(201, b'{"success":true}')
    (request,) = allowed.received
    assert (request.method, request.path, request.body) == ("POST", "/a/b?c=d", BODY)
    assert request.headers == {
        "host": allowed.place,
        "content-type": "application/vnd.api+json",
        "content-length": "44",
        "accept": "application/json, application/vnd.api+json",
        "accept-encoding": "identity",
        "user-agent": "Tessera",
        # openssl dgst -sha256 -hmac $SECRET -binary | base64
        "x-commercelayer-signature": "ABCNGVH6wPWwxWcdPMxo0SPXB+5Q7t+iEqaiacY1508=",
        "x-commercelayer-topic": "orders.place",
    }


def test_without_a_topic_there_is_no_header_of_it(allowed: Listener) -> None:
    outgoing.post(f"http://{allowed.place}", BODY, SECRET)

    assert "x-commercelayer-topic" not in allowed.received[0].headers


def test_a_redirect_is_an_answer_and_not_followed(allowed: Listener) -> None:
    allowed.answers(b"", status=307, Location=f"http://{allowed.place}/elsewhere")

    assert outgoing.post(f"http://{allowed.place}/", BODY, SECRET) == Reply(307, b"")
    assert [request.path for request in allowed.received] == ["/"]


def test_proxies_of_the_environment_are_not_asked(allowed: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert outgoing.post(f"http://{allowed.place}/", BODY, SECRET).status == 200


@pytest.mark.parametrize(("size", "is_read"), [(262_144, True), (262_145, False)])
def test_an_answer_is_read_up_to_its_limit(allowed: Listener, size: int, is_read: bool) -> None:
    allowed.answers(b"x" * size)
    url = f"http://{allowed.place}/"

    if is_read:
        assert outgoing.post(url, BODY, SECRET) == Reply(200, b"x" * size)
    else:
        assert reason_of(url) == "it answered more than 262144 bytes"


def test_a_compressed_answer_stays_compressed(allowed: Listener) -> None:
    allowed.answers(b"\x1f\x8bnot unpacked", **{"Content-Encoding": "gzip"})

    assert outgoing.post(f"http://{allowed.place}/", BODY, SECRET).body == b"\x1f\x8bnot unpacked"


def test_an_answer_that_breaks_off_or_is_no_http_is_a_failure(allowed: Listener) -> None:
    allowed.answers(b"short", **{"Content-Length": "10"})
    assert reason_of(f"http://{allowed.place}/").startswith("the connection failed: ")

    allowed.answer = lambda exchange: exchange.wfile.write(b"no protocol at all\r\n\r\n")
    assert reason_of(f"http://{allowed.place}/").startswith("the connection failed: ")


def test_nobody_listening_is_a_failure(settings: LazySettings) -> None:
    with listening() as gone:
        settings.OUTGOING_ALLOWED_HOSTS = [gone.place]

    assert reason_of(f"http://{gone.place}/").startswith("the connection failed: ")


# --- How long ---------------------------------------------------------------------------------------


def _trickling_head(exchange: Exchange) -> None:
    exchange.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(100):
        exchange.wfile.write(f"X-{number}: y\r\n".encode())
        time.sleep(0.05)


def _trickling_body(exchange: Exchange) -> None:
    exchange.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    for _ in range(100):
        exchange.wfile.write(b"x")
        time.sleep(0.05)


def _silence(exchange: Exchange) -> None:
    time.sleep(3)


@pytest.mark.parametrize("answer", [_trickling_head, _trickling_body, _silence])
def test_the_whole_call_is_bound_to_its_time(allowed: Listener, answer: Callable[[Exchange], None]) -> None:
    allowed.answer = answer
    started = time.monotonic()

    assert reason_of(f"http://{allowed.place}/", timeout=0.4) == "it did not answer within 0.4 seconds"
    assert 0.3 < time.monotonic() - started < 1


def test_a_receiver_that_does_not_read_is_given_up(settings: LazySettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        place = f"127.0.0.1:{deaf.getsockname()[1]}"
        settings.OUTGOING_ALLOWED_HOSTS = [place]
        started = time.monotonic()

        with pytest.raises(CalloutFailed, match=r"it did not answer within 0\.4 seconds"):
            outgoing.post(f"http://{place}/", b"x" * 50_000_000, SECRET, timeout=0.4)

    assert time.monotonic() - started < 1.5


def test_a_handshake_that_does_not_end_is_given_up(settings: LazySettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        place = f"127.0.0.1:{deaf.getsockname()[1]}"
        settings.OUTGOING_ALLOWED_HOSTS = [place]

        assert reason_of(f"https://{place}/", timeout=0.3) == "it did not answer within 0.3 seconds"


def test_a_lookup_that_does_not_end_is_given_up() -> None:
    release = Event()

    def slow(host: str, port: int) -> list[str]:
        release.wait(5)
        return ["127.0.0.1"]

    started = time.monotonic()
    assert reason_of("https://promo.test/", resolve=slow, timeout=0.3) == "it did not answer within 0.3 seconds"
    assert time.monotonic() - started < 1
    release.set()


# --- Whereto ----------------------------------------------------------------------------------------


def test_a_certificate_is_verified_for_the_name_at_the_address_that_was_looked_up(
    secure: Listener, authority: Authority, settings: LazySettings
) -> None:
    settings.OUTGOING_ALLOWED_HOSTS = ["promo.test"]
    names = Names(["127.0.0.1"])
    url = f"https://promo.test:{secure.port}/"

    assert outgoing.post(url, BODY, SECRET, resolve=names, trust=authority.trust) == Reply(200, b"{}")
    assert names.asked == [("promo.test", secure.port)]
    assert secure.received[0].headers["host"] == f"promo.test:{secure.port}"


def test_a_certificate_for_another_name_or_of_an_unknown_authority_is_refused(
    secure: Listener, authority: Authority, settings: LazySettings
) -> None:
    settings.OUTGOING_ALLOWED_HOSTS = ["promo.test", "other.test"]

    other = reason_of(f"https://other.test:{secure.port}/", resolve=Names(["127.0.0.1"]), trust=authority.trust)
    unknown = reason_of(f"https://promo.test:{secure.port}/", resolve=Names(["127.0.0.1"]))

    assert "certificate is not valid for 'other.test'" in other
    assert "self-signed certificate" in unknown
    assert secure.received == []


def test_a_name_that_means_a_private_address_a_moment_later_is_not_looked_up_again(
    secure: Listener, authority: Authority
) -> None:
    names = Names(["2a00::1"], ["127.0.0.1"], ["127.0.0.1"])

    reason_of(f"https://promo.test:{secure.port}/", resolve=names, trust=authority.trust, timeout=0.3)

    assert names.asked == [("promo.test", secure.port)]
    assert secure.received == []


def test_the_connection_goes_to_the_address_that_was_checked(settings: LazySettings) -> None:
    settings.OUTGOING_ALLOWED_HOSTS = ["promo.test"]
    names = Names(["127.0.0.1"], ["127.0.0.2"])

    with listening("127.0.0.1") as first, listening("127.0.0.2", first.port) as second:
        outgoing.post(f"http://promo.test:{first.port}/", BODY, SECRET, resolve=names)

        assert (len(first.received), len(second.received)) == (1, 0)


def test_the_next_address_is_tried_where_the_first_does_not_answer(listener: Listener, settings: LazySettings) -> None:
    settings.OUTGOING_ALLOWED_HOSTS = ["promo.test"]
    url = f"http://promo.test:{listener.port}/"

    assert outgoing.post(url, BODY, SECRET, resolve=Names(["127.0.0.3", "127.0.0.1"])).status == 200


PRIVATE = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 168.63.129.16 169.254.169.254 172.16.0.1
172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.1
203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::a00:1 100::1 fc00::1
fd00:ec2::254 fe80::1 fe80::1%1 fec0::1 ff02::1 2001::1 2001:0:7f00:1:: 2001:2::1 2001:10::1 2001:20::1 2001:db8::1
2002:7f00:1:: 2002:a00:1::1 3fff::1 4000::1 5f00::1
""".split()

PUBLIC = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255
172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255
2001:200:: 2001:4860:4860::8888 2606:4700:4700::1111 2a00:1450:4001:80b::200e 2003::1 3ffe::1
""".split()


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_never_called(address: str, listener: Listener) -> None:
    reason = reason_of(f"https://promo.test:{listener.port}/", resolve=Names([address]))

    assert reason == "its host has an address that is not public"


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert outgoing.is_public(address) is True


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    names = Names(["8.8.8.8", "2606:4700:4700::1111", "10.0.0.1"])

    assert reason_of("https://promo.test/", resolve=names) == "its host has an address that is not public"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "LOCALHOST.", "[::1]", "[::ffff:127.0.0.1]", "127.1", "2130706433", "0x7f000001"]
)
def test_this_machine_is_refused_however_it_is_written(host: str, listener: Listener) -> None:
    reason = reason_of(f"https://{host}:{listener.port}/")

    assert reason in ("its host has an address that is not public", "its host was not found")
    assert listener.received == []


def test_a_host_that_is_not_found_is_a_failure() -> None:
    assert reason_of("https://nothing.invalid/") == "its host was not found"
    assert reason_of(f"https://{'a' * 70}.test/") == "its host was not found"
    assert reason_of("https://promo.test/", resolve=Names([])) == "its host was not found"


def test_a_private_host_is_called_only_where_it_is_allowed_by_its_port(
    listener: Listener, settings: LazySettings
) -> None:
    url = f"http://localhost:{listener.port}/"
    assert reason_of(url) == "its URL must begin with https://"

    settings.OUTGOING_ALLOWED_HOSTS = [f"localhost:{listener.port + 1}", f"127.0.0.1:{listener.port}"]
    assert reason_of(url) == "its URL must begin with https://"

    settings.OUTGOING_ALLOWED_HOSTS = ["LocalHost"]
    assert outgoing.post(url, BODY, SECRET).status == 200


# --- What may be stored -----------------------------------------------------------------------------

REFUSED_URLS = {
    "": "must be like https://example.com/path",
    "example.com/hook": "must be like https://example.com/path",
    "//example.com": "must be like https://example.com/path",
    "ftp://example.com/": "must be like https://example.com/path",
    "file:///etc/passwd": "must be like https://example.com/path",
    "https:///path": "must be like https://example.com/path",
    "https://exa mple.com/": "must be like https://example.com/path",
    "https://example.com%2f@/": "must be like https://example.com/path",
    "https://[fe80::1%eth0]/": "must be like https://example.com/path",
    "https://example.com:0/": "must be like https://example.com/path",
    "https://example.com:65536/": "must be like https://example.com/path",
    "https://example.com:x/": "is not a URL",
    "https://example.com/\n": "is not a URL",
    "https://example.com/\ud800": "is not a URL",
    "https://[::1/": "is not a URL",
    "https://user:secret@example.com/": "must not hold credentials",
    "https://user@example.com/": "must not hold credentials",
    "https://example.com\\@evil.example/": "must not hold credentials",
    "http://example.com/": "must begin with https://",
    "https://example.com/" + "x" * 1981: "is too long (maximum is 2000 characters)",
}


@pytest.mark.parametrize(("url", "message"), REFUSED_URLS.items(), ids=range(len(REFUSED_URLS)))
def test_a_url_that_could_never_be_called_is_refused(url: str, message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        outgoing.validate_callback_url(url)
    assert refused.value.messages == [message]
    assert reason_of(url) == f"its URL {message}"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://EXAMPLE.com:8443/a?b=c#d",
        "https://münchen.example/",
        "https://8.8.8.8/",
        "https://[2606:4700:4700::1111]:444/",
        "http://promo/",
        "http://promo:8000/",
        "http://[fd00::1]:8000/",
        "https://example.com/" + "x" * 1980,
    ],
)
def test_a_url_that_may_be_called_is_stored(url: str, settings: LazySettings) -> None:
    settings.OUTGOING_ALLOWED_HOSTS = ["promo", "[fd00::1]:8000"]

    assert outgoing.validate_callback_url(url) is None


# --- The circuit ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("failures", "state"), [(0, "closed"), (30, "closed"), (31, "open"), (1000, "open")])
def test_a_circuit_opens_after_more_than_thirty_failures(failures: int, state: str) -> None:
    assert outgoing.circuit_state(failures) == state
