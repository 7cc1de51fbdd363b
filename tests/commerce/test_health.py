import os
import subprocess
import sys

import pytest
from django.test import Client

ASK = """
import django, json
django.setup()
from django.test import Client
answers = [Client().get(path) for path in ("/healthz", "/readyz")]
print(json.dumps([[answer.status_code, answer.json()] for answer in answers]))
"""


def test_healthz_answers_without_a_database(client: Client) -> None:
    answer = client.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "no-store" in answer["cache-control"]


@pytest.mark.django_db
def test_readyz_answers_when_the_database_does(client: Client) -> None:
    answer = client.get("/readyz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_readyz_is_503_while_the_database_is_away() -> None:
    away = {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing", "EMBEDDED": "1"}
    environment = {**os.environ, **away, "DJANGO_SETTINGS_MODULE": "config.settings"}

    told = subprocess.run([sys.executable, "-c", ASK], env=environment, check=True, capture_output=True, text=True)

    assert told.stdout == '[[200, {"status": "ok"}], [503, {"status": "database unavailable"}]]\n'
    assert '"message": "the database does not answer", "request_id": "' in told.stderr


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_is_only_read(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405
