"""What the README, the Makefile, the lock and the settings promise."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from django.conf import LazySettings, settings
from django.core.management import get_commands, load_command_class
from django.test import Client
from django.urls import resolve

from config.urls import mounted

ROOT: Path = settings.BASE_DIR
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()

PRODUCTION = {
    "DATABASE_URL": "postgres://tessera@db/tessera",
    "SECRET_KEY": "a-secret-of-some-fifty-characters-that-nobody-can-guess",
    "SIGNING_KEY_FILES": "/keys/new.pem,/keys/old.pem",
    "EMBEDDED": "",
}


def in_settings(expression: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What an expression gives in a process of its own with these environment variables."""
    given = {name: value for name, value in {**os.environ, **environment}.items() if value}
    code = f"from config import settings; print(repr({expression}))"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=given, capture_output=True, text=True, check=False
    )


def test_the_readme_lists_every_variable_the_settings_read() -> None:
    read = re.findall(r'\benv\.\w+\(\s*"(\w+)"', (ROOT / "config/settings.py").read_text())
    listed = re.findall(r"^\| `([A-Z_]+)` \|", README, re.MULTILINE)

    assert sorted(listed) == sorted(set(read))


COMMANDS = re.findall(r"manage\.py (\w[^)>#|`\n]*)", README)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_in_the_readme_is_understood(command: str) -> None:
    name, *arguments = shlex.split(command)
    app = get_commands()[name]
    parser = load_command_class(app, name).create_parser("manage.py", name)

    assert parser.parse_args(arguments)


def test_every_target_in_the_readme_is_told_by_make_help() -> None:
    helped = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = set(re.findall(r"^  make (\w+)", helped, re.MULTILINE))

    assert set(re.findall(r"`?make (\w+)", "".join(re.findall(r"`[^`]+`|^make .*$", README, re.MULTILINE)))) <= targets
    assert targets == set(re.findall(r"^(\w+):.*## ", MAKEFILE, re.MULTILINE))


def test_every_folder_in_the_readme_is_there() -> None:
    told = re.findall(r"^\| `([a-z/]+)` \|", README.partition("## Where a change goes")[2], re.MULTILINE)

    assert len(told) == 7
    assert [folder for folder in told if not (ROOT / folder).is_dir()] == []


def test_the_lock_pins_and_hashes_everything_and_names_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"\n(?=\S)", lock.strip())

    assert len(entries) > 50
    assert [
        entry for entry in entries if not re.match(r"[\w.-]+==\S+.*\\\n    --hash=sha256:[0-9a-f]{64}", entry)
    ] == []
    assert "://" not in lock


def test_the_lock_holds_every_dependency_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    names = {re.match(r"[\w-]+", requirement).group().lower() for requirement in wanted}
    locked = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))

    assert names - locked == set()


@pytest.mark.parametrize("variable", ["SECRET_KEY", "SIGNING_KEY_FILES"])
def test_a_server_with_a_database_of_its_own_does_not_start_without_its_keys(variable: str) -> None:
    failed = in_settings("None", **{**PRODUCTION, variable: ""})

    assert failed.returncode == 1
    assert f"ImproperlyConfigured: {variable} is required" in failed.stderr


def test_production_is_safe_by_default() -> None:
    names = (
        "DEBUG",
        "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE",
        "SECURE_HSTS_SECONDS",
        "SECURE_SSL_REDIRECT",
        "TRUSTED_PROXIES",
        "WHITENOISE_USE_FINDERS",
    )
    told = in_settings(f"[getattr(settings, name) for name in {names}]", **PRODUCTION)

    assert told.stdout == "[False, True, True, 31536000, False, [], False]\n"


def test_the_embedded_start_needs_no_variable_and_keeps_its_keys(tmp_path: Path) -> None:
    environment = {**dict.fromkeys(PRODUCTION, ""), "DATA_DIR": str(tmp_path)}
    expression = "(settings.SECRET_KEY, [str(file) for file in settings.SIGNING_KEY_FILES], settings.BEHIND_TLS)"

    first, second = (in_settings(expression, **environment).stdout for _ in range(2))

    secret = (tmp_path / "secret_key").read_text()
    assert len(secret) > 50
    assert first == second == f"{(secret, [str(tmp_path / 'signing_key.pem')], False)!r}\n"
    assert {file.name: oct(file.stat().st_mode & 0o777) for file in tmp_path.iterdir()} == {
        "secret_key": "0o600",
        "signing_key.pem": "0o600",
    }


@pytest.mark.parametrize(("serving", "limit"), [("1", "-c statement_timeout=10000"), ("", None)])
def test_only_the_server_limits_its_statements(serving: str, limit: str | None) -> None:
    told = in_settings("settings.DATABASES['default']['OPTIONS'].get('options')", **PRODUCTION, SERVING=serving)

    assert told.stdout == f"{limit!r}\n"


MOUNTS = ["REBILLY_MOUNT", "TICKETING_MOUNT"]


def test_dialects_are_off_by_default() -> None:
    names = (*MOUNTS, "TICKETING_USAGE_COUNT")
    told = in_settings(f"[getattr(settings, name) for name in {names}]", **dict.fromkeys(names, ""))

    assert told.stdout == "['', '', None]\n"


@pytest.mark.parametrize("variable", MOUNTS)
@pytest.mark.parametrize("mount", ["/", "/rebilly", "/a/b-c/v1.0", "/3.0.0"])
def test_a_dialect_is_mounted_at_a_path(variable: str, mount: str) -> None:
    assert in_settings(f"settings.{variable}", **{variable: mount}).stdout == f"{mount!r}\n"


@pytest.mark.parametrize("variable", MOUNTS)
@pytest.mark.parametrize(
    "mount", ["rebilly", "//", "/rebilly/", "/a//b", "/a b", "/..", "/<str:x>", "/é", "/a\n", "/api", "/admin/x", "1"]
)
def test_a_mount_that_is_no_path_or_one_of_ours_is_refused(variable: str, mount: str) -> None:
    assert f"ImproperlyConfigured: {variable} must be / or" in in_settings("None", **{variable: mount}).stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [("TICKETING_USAGE_COUNT", value) for value in ("0", "-1", "1.5", "many", "99999999999")]
    + [("TICKETING_CURRENCY", value) for value in ("eur", "EURO", "€")],
)
def test_a_usage_count_and_a_currency_that_are_none_are_refused(variable: str, value: str) -> None:
    assert f"ImproperlyConfigured: {variable} must be" in in_settings("None", **{variable: value}).stderr


def test_a_usage_count_is_a_number() -> None:
    assert in_settings("settings.TICKETING_USAGE_COUNT", TICKETING_USAGE_COUNT="5").stdout == "5\n"


@pytest.mark.parametrize(("mount", "places"), [("", []), ("/", [""]), ("/a/b", ["a/b/"])])
def test_a_dialect_that_is_mounted_is_below_its_path(mount: str, places: list[str]) -> None:
    assert [str(resolver.pattern) for resolver in mounted(mount, "ticketing")] == places


@pytest.mark.parametrize(
    ("path", "package"),
    [
        *(
            (f"/{path}", "commerce")
            for path in ("api/coupons", "api/organizations/acme/coupons", "oauth/token", "healthz")
        ),
        *((f"/{root}coupons{slash}", "rebilly") for root in ("", "organizations/acme/") for slash in ("", "/x", "/x/")),
        *(
            (f"/{root}coupon{rest}", "ticketing")
            for root in ("", "3.0.0/")
            for rest in ("", "/x", "/x/codes", "/code/x")
        ),
        *((f"/3.0.0/{rest}", "ticketing") for rest in ("", "x", "coupons", "api/coupons", "admin/x")),
        ("/admin/", "django.contrib.admin"),
    ],
)
def test_each_path_is_answered_by_one_of_the_apis_at_the_root(path: str, package: str) -> None:
    view = resolve(path).func

    assert package in getattr(view, "view_class", view).__module__


def test_browsers_are_bound_to_tls_only_over_tls(settings: LazySettings, client: Client) -> None:
    settings.SECURE_HSTS_SECONDS = 60

    assert "strict-transport-security" not in client.get("/healthz")
    assert client.get("/healthz", secure=True)["strict-transport-security"] == "max-age=60"
