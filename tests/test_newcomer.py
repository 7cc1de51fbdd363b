"""The first minutes with the project: `make run`, and the curl it prints, as the README tells them."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server import NOT_INHERITED, ROOT, free_port, serving

README, *PAGES = (
    (ROOT / page).read_text()
    for page in ("README.md", "coupons/dialects/rebilly/README.md", "coupons/dialects/ticketing/README.md")
)
NEWCOMER = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}

pytestmark = pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What `make run` printed, while its server runs on data of its own."""
    folder, port = tmp_path_factory.mktemp("newcomer"), free_port()
    environment = NEWCOMER | {"DATA_DIR": str(folder / "data"), "PORT": str(port)}
    output = folder / "output"
    with serving(["make", "run"], f"http://127.0.0.1:{port}", environment, output):
        yield output.read_text()


def command_in(text: str, path: str = "coupons") -> str:
    """The `curl` that asks there."""
    return re.search(rf"^curl -\w \S+/api/{path} .*?'$(?=\n\n|\n```)", text, re.DOTALL | re.MULTILINE).group()


def as_in_readme(command: str) -> str:
    told = re.sub(r"\$\(DATA_DIR=\S+ ", "$(", command).replace(sys.executable, ".venv/bin/python")
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8000", told.replace(f"{ROOT}/", ""))


def shell(command: str, folder: Path) -> str:
    """What the command prints in another folder."""
    pasted = ["sh", "-c", command]
    return subprocess.run(pasted, cwd=folder, env=NEWCOMER, capture_output=True, text=True, check=True).stdout


def paste(command: str, folder: Path) -> tuple[str, dict[str, str], dict[str, Any]]:
    """Status line, headers and document that the command gives."""
    head, _, body = shell(command, folder).partition("\n\n")
    status, *lines = head.splitlines()
    return status, dict(line.lower().split(": ", 1) for line in lines), json.loads(body)


def test_the_printed_command_creates_a_coupon_each_time_it_is_pasted(printed: str, tmp_path: Path) -> None:
    command = command_in(printed)

    answers = [paste(command, tmp_path) for _ in range(2)]

    assert [status for status, _, _ in answers] == ["HTTP/1.1 201 Created"] * 2
    assert len({document["data"]["id"] for _, _, document in answers}) == 2
    assert len({document["data"]["attributes"]["code"] for _, _, document in answers}) == 2


def test_the_readme_shows_that_command_and_its_answer(printed: str, tmp_path: Path) -> None:
    command = command_in(printed)
    _, headers, document = paste(command, tmp_path)
    data = document["data"]
    shown = json.loads(re.search(r"```json\n(.*?)```", README, re.DOTALL).group(1))

    assert re.sub(r'"id": "\w+"', "", as_in_readme(command)) == re.sub(r'"id": "\w+"', "", command_in(README))

    assert headers["location"].lower() == data["links"]["self"].lower()
    data["relationships"] = {name: data["relationships"][name] for name in shown["data"]["relationships"]}
    for name in ("code", "created_at", "updated_at"):
        data["attributes"][name] = shown["data"]["attributes"][name]
    masked = json.dumps(document).replace(data["id"], shown["data"]["id"])
    assert json.loads(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8000", masked)) == shown


def test_the_printed_cart_is_evaluated_with_a_promotion_that_is_not_reached_yet(printed: str, tmp_path: Path) -> None:
    command = command_in(printed, "evaluations")
    assert as_in_readme(command) == command_in(README, "evaluations")

    evaluation = json.loads(shell(command, tmp_path))["data"]["attributes"]

    assert [(one["coupon_code"], one["total_amount_cents"]) for one in evaluation["applied"]] == [("WELCOME-10", -400)]
    assert evaluation["total_amount_cents"] == 4298
    (missed,) = evaluation["not_applied"]
    assert missed["sentence"] == "The order is too small: 1402 cents to go."


def test_the_printed_redemption_is_answered_with_what_it_takes_off(printed: str, tmp_path: Path) -> None:
    command = command_in(printed, "redemptions")
    assert as_in_readme(command) == command_in(README, "redemptions")

    redemption = json.loads(shell(command, tmp_path))["data"]["attributes"]

    assert (redemption["status"], redemption["discount_cents"]) == ("committed", -500)
    assert [one["coupon_code"] for one in redemption["evaluation"]["applied"]] == ["WELCOME-10"]


def commands_in(text: str, start: str) -> str:
    """The lines from the one that starts so to the next that is empty or ends the block."""
    return re.search(rf"^{start}.*?$(?=\n\n|\n```)", text, re.DOTALL | re.MULTILINE).group()


def test_the_printed_rebilly_style_coupon_is_created(printed: str, tmp_path: Path) -> None:
    commands = commands_in(printed, "key=")
    assert as_in_readme(commands) == commands_in(PAGES[0], "key=")

    status, headers, coupon = paste(commands, tmp_path)

    assert status == "HTTP/1.1 201 Created"
    assert headers["location"].endswith(f"/organizations/acme/coupons/{coupon['id'].lower()}")
    assert coupon["discount"] == {"type": "percent", "value": 12.5, "context": "items"}
    assert coupon["restrictions"] == [{"type": "redemptions-per-customer", "quantity": 2}]
    assert (coupon["status"], coupon["redemptionsCount"]) == ("issued", 0)


def test_the_readme_applies_that_coupon_to_an_invoice(printed: str, tmp_path: Path) -> None:
    commands = commands_in(printed, "key=")
    coupon = paste(commands, tmp_path)[2]["id"]
    key, invoice = commands.partition("\n")[0], commands_in(PAGES[0], "coupon=").partition("\n")[2]

    answer = json.loads(shell(f"{key}\ncoupon={coupon}\n{here(invoice, printed)}", tmp_path))

    (discount,) = answer.pop("discounts")
    assert answer == {"invoiceId": "in_1", "currency": "EUR", "amount": 2.5, "additions": [], "notApplied": []}
    assert (discount["couponId"], discount["redemptionId"][:8], discount["amount"]) == (coupon, "cpn_rdm_", 2.5)


def test_the_printed_cheque_has_three_codes(printed: str, tmp_path: Path) -> None:
    commands = commands_in(printed, "token=")
    assert as_in_readme(commands) == commands_in(PAGES[1], "token=")

    codes = json.loads(shell(commands, tmp_path))

    assert [(code["code"][:7], code["used_amount"]) for code in codes] == [("CHEQUE-", 0)] * 3


def test_the_readme_uses_a_part_of_that_cheque(printed: str, tmp_path: Path) -> None:
    made = commands_in(printed, "token=").rpartition("\n")[0]

    redemption = json.loads(shell(f"{made}\n{here(commands_in(PAGES[1], 'code='), printed)}", tmp_path))

    (code,) = redemption["codes"]
    assert (redemption["discount"], code["used_amount"], code["remaining"]) == (1999, 1999, 3001)


def here(commands: str, printed: str) -> str:
    """Commands of a page for the server that runs."""
    return commands.replace("127.0.0.1:8000", re.search(r"127\.0\.0\.1:\d+", printed).group())
