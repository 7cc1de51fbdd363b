import os
import re
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from io import BufferedReader, BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.core.management.base import OutputWrapper
from django.db import connection
from django.db.models import F

from commerce.models import Mode, Organization, Version
from coupons import bulk
from coupons.codes import ALPHABET, Pattern
from coupons.management.bulk_command import Progress
from coupons.models import Coupon
from promotions.models import ALWAYS, NEVER, CouponCodesPromotionRule, Promotion
from tests import factories


@pytest.fixture
def rule(acme: Organization) -> CouponCodesPromotionRule:
    return factories.coupon_rule(factories.percentage_promotion(acme))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(command: str, *args: Any, **options: Any) -> str:
    output = StringIO()
    call_command(command, *args, stdout=output, stderr=StringIO(), **{"organization": "acme", **options})
    return output.getvalue()


def refused(command: str, *args: Any, **options: Any) -> str:
    with pytest.raises(CommandError) as refusal:
        run(command, *args, **options)
    assert refusal.value.returncode == 1
    return str(refusal.value)


def codes() -> set[str]:
    return set(Coupon.objects.values_list("code", flat=True))


MIXED = "code,usage_limit\nSUMMER-01,1\nSHORT,2\nSUMMER-02,x\nSUMMER-03,\nsummer-01,\n"
MIXED_REFUSALS = (
    "line,code,reason\r\n"
    "3,SHORT,code is too short (minimum is 8 characters)\r\n"
    "4,SUMMER-02,usage_limit is not a whole number\r\n"
    "6,summer-01,code is the same as on line 2\r\n"
)


# --- import_coupons ---------------------------------------------------------------------------------------------------


def test_a_file_is_imported(rule: CouponCodesPromotionRule, folder: Path):
    Path("codes.csv").write_text("code,usage_limit,recipient_email\nSUMMER-01,1,\nSUMMER-02,2,ada@example.com\n")
    output = run("import_coupons", "codes.csv", rule=rule.public_id)
    batch = Coupon.objects.values_list("batch", flat=True).distinct().get()
    assert output.startswith(f"Imported 2 codes and 1 new recipients as batch {batch} in ")
    assert set(Coupon.objects.values_list("code", "usage_limit")) == {("SUMMER-01", 1), ("SUMMER-02", 2)}
    version = Version.objects.order_by("pk").last()
    assert version is not None
    assert version.who == {"command": "import_coupons"}
    assert [path.name for path in folder.iterdir()] == ["codes.csv"]


def test_ndjson_is_imported_and_rows_name_their_rule(rule: CouponCodesPromotionRule, folder: Path):
    Path("codes.ndjson").write_text(f'{{"code": "SUMMER-01", "promotion_rule_id": "{rule.public_id}"}}\n')
    run("import_coupons", "codes.ndjson")
    assert codes() == {"SUMMER-01"}


@pytest.mark.parametrize("content", [b"code\r\nSUMMER-01\r\n", b'{"code": "SUMMER-01"}\n'])
def test_standard_input_is_read(
    rule: CouponCodesPromotionRule, folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
):
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BufferedReader(BytesIO(content))))
    run("import_coupons", "-", rule=rule.public_id)
    assert codes() == {"SUMMER-01"}


def test_one_bad_row_keeps_everything_out_and_is_written_to_a_file(rule: CouponCodesPromotionRule, folder: Path):
    Path("codes.csv").write_text(MIXED)
    versions = Version.objects.count()
    message = refused("import_coupons", "codes.csv", rule=rule.public_id)
    assert message == "3 of 5 rows were refused, see codes.csv.rejected.csv. Nothing was written."
    assert Path("codes.csv.rejected.csv").read_bytes().decode() == MIXED_REFUSALS
    assert not Coupon.objects.exists()
    assert Version.objects.count() == versions
    assert Promotion.objects.get().coupons_count == 0


def test_the_good_rows_are_kept_when_asked(rule: CouponCodesPromotionRule, folder: Path):
    Path("codes.csv").write_text(MIXED)
    output = run("import_coupons", "codes.csv", rule=rule.public_id, skip_invalid=True, rejects=Path("bad.csv"))
    assert output.startswith("Imported 2 codes as batch ")
    assert output.endswith("3 of 5 rows were refused, see bad.csv.\n")
    assert codes() == {"SUMMER-01", "SUMMER-03"}
    assert Path("bad.csv").read_bytes().decode() == MIXED_REFUSALS
    assert Promotion.objects.get().coupons_count == 2


def test_a_dry_run_tells_the_same_and_writes_nothing(rule: CouponCodesPromotionRule, folder: Path):
    Path("codes.csv").write_text(MIXED)
    options = {"rule": rule.public_id, "dry_run": True}
    assert refused("import_coupons", "codes.csv", **options).startswith("3 of 5 rows were refused")
    assert Path("codes.csv.rejected.csv").read_bytes().decode() == MIXED_REFUSALS
    output = run("import_coupons", "codes.csv", skip_invalid=True, **options)
    assert output == (
        "2 codes could be imported. Nothing was written.\n3 of 5 rows were refused, see codes.csv.rejected.csv.\n"
    )
    Path("codes.csv").write_text("code\nSUMMER-01\n")
    assert run("import_coupons", "codes.csv", **options) == "1 codes could be imported. Nothing was written.\n"
    assert not Coupon.objects.exists()


def test_a_run_without_refusals_removes_the_refusals_of_the_last(rule: CouponCodesPromotionRule, folder: Path):
    Path("codes.csv").write_text("code\nSUMMER-01\n")
    Path("codes.csv.rejected.csv").write_text("line,code,reason\n")
    run("import_coupons", "codes.csv", rule=rule.public_id)
    assert not Path("codes.csv.rejected.csv").exists()


def test_a_second_run_of_the_same_file_is_refused(rule: CouponCodesPromotionRule, folder: Path):
    Path("codes.csv").write_text("code\nSUMMER-01\nSUMMER-02\n")
    run("import_coupons", "codes.csv", rule=rule.public_id)
    assert refused("import_coupons", "codes.csv", rule=rule.public_id).startswith("2 of 2 rows were refused")
    assert "2,SUMMER-01,code has already been taken" in Path("codes.csv.rejected.csv").read_text()
    output = run("import_coupons", "codes.csv", rule=rule.public_id, skip_invalid=True)
    assert output.startswith("0 codes could be imported. Nothing was written.\n")
    assert Promotion.objects.get().coupons_count == 2


def test_another_tenants_rule_is_unknown(rule: CouponCodesPromotionRule, folder: Path):
    live = factories.coupon_rule(factories.percentage_promotion(rule.organization, mode=Mode.LIVE))
    foreign = factories.coupon_rule(factories.percentage_promotion(factories.organization()))
    for other in (live, foreign):
        assert "is not a coupon rule" in refused("import_coupons", "codes.csv", rule=other.public_id)
        Path("codes.csv").write_text(f"code,promotion_rule_id\nSUMMER-01,{other.public_id}\n")
        assert refused("import_coupons", "codes.csv").startswith("1 of 1 rows were refused")
        reason = f"promotion_rule_id '{other.public_id}' is not a coupon rule of this organization and mode"
        assert reason in Path("codes.csv.rejected.csv").read_text()
    assert not Coupon.objects.exists()


def test_the_mode_is_chosen(rule: CouponCodesPromotionRule, folder: Path):
    live = factories.coupon_rule(factories.percentage_promotion(rule.organization, mode=Mode.LIVE))
    Path("codes.csv").write_text("code\nSUMMER-01\n")
    run("import_coupons", "codes.csv", rule=live.public_id, mode="live")
    assert Coupon.objects.values_list("mode", "promotion_rule_id").get() == ("live", live.pk)


# --- Codes that go by themselves --------------------------------------------------------------------------------------


@pytest.fixture
def alone(acme: Organization) -> CouponCodesPromotionRule:
    """A rule with one coupon, `ALONE-0001`, that goes by its code alone."""
    rule = factories.coupon_rule(factories.fixed_amount_promotion(acme, declining_balance=True))
    factories.coupon(rule, code="ALONE-0001", only_code="")
    return rule


def only_codes(rule: CouponCodesPromotionRule) -> set[tuple[str, str | None]]:
    return set(Coupon.objects.filter(promotion_rule=rule).values_list("code", "only_code"))


def test_codes_for_a_rule_whose_coupons_go_by_their_code_alone_go_so_too(alone: CouponCodesPromotionRule, folder: Path):
    Path("codes.csv").write_text("code\nalone-0002\n")
    run("import_coupons", "codes.csv", rule=alone.public_id)
    assert only_codes(alone) == {("ALONE-0001", "ALONE-0001"), ("alone-0002", "ALONE-0002")}
    run("generate_coupons", rule=alone.public_id, count=3)
    assert Coupon.objects.filter(promotion_rule=alone, only_code=F("code_norm")).count() == 5


def test_a_code_that_must_be_the_only_one_is_refused_where_any_rule_has_it(
    alone: CouponCodesPromotionRule, rule: CouponCodesPromotionRule, folder: Path
):
    factories.coupon(rule, code="SUMMER-01")
    live = factories.coupon_rule(factories.percentage_promotion(rule.organization, mode=Mode.LIVE))
    factories.coupon(live, code="SUMMER-02")
    Path("codes.csv").write_text(
        "code,promotion_rule_id\n"
        f"Summer-01,{alone.public_id}\nSUMMER-02,{alone.public_id}\nSUMMER-03,{rule.public_id}\n"
        f"SUMMER-03,{alone.public_id}\nSUMMER-02,{rule.public_id}\nALONE-0001,{rule.public_id}\n"
    )
    output = run("import_coupons", "codes.csv", skip_invalid=True)
    assert output.startswith("Imported 2 codes as batch ")
    assert Path("codes.csv.rejected.csv").read_text() == (
        "line,code,reason\n2,Summer-01,code has already been taken\n5,SUMMER-03,code is the same as on line 4\n"
        "6,SUMMER-02,code is the same as on line 3\n7,ALONE-0001,code has already been taken\n"
    )
    assert only_codes(alone) == {("ALONE-0001", "ALONE-0001"), ("SUMMER-02", "SUMMER-02")}
    assert only_codes(rule) == {("SUMMER-01", None), ("SUMMER-03", None)}


def test_no_import_takes_a_code_that_a_coupon_has_alone(
    alone: CouponCodesPromotionRule, rule: CouponCodesPromotionRule, folder: Path
):
    live = factories.coupon_rule(factories.percentage_promotion(rule.organization, mode=Mode.LIVE))
    Path("codes.csv").write_text("code\nAlone-0001\nSUMMER-01\n")
    run("import_coupons", "codes.csv", rule=rule.public_id, skip_invalid=True)
    assert Path("codes.csv.rejected.csv").read_text() == "line,code,reason\n2,Alone-0001,code has already been taken\n"
    assert only_codes(rule) == {("SUMMER-01", None)}
    run("import_coupons", "codes.csv", rule=live.public_id, mode="live")
    assert only_codes(live) == {("Alone-0001", None), ("SUMMER-01", None)}


def test_no_generated_code_is_one_that_a_coupon_has_alone(acme: Organization, rule: CouponCodesPromotionRule):
    allow_short_codes(acme)
    other = factories.coupon_rule(factories.percentage_promotion(acme))
    for symbol in ALPHABET[:16]:
        factories.coupon(other, code=f"x{symbol.lower()}", only_code="")
    with pytest.raises(ValidationError, match="more than half of the possible codes"):
        bulk.generate(rule, short(1, only_code=False), factories.BY)
    assert bulk.generate(rule, short(4, only_code=False, tries=200), factories.BY).count == 4
    assert {code[1:] for code, _ in only_codes(rule)} < set(ALPHABET[16:])
    assert {only_code for _, only_code in only_codes(rule)} == {None}


def allow_short_codes(organization: Organization) -> None:
    organization.settings = {"coupons_min_code_length": 2}
    organization.save()


def short(count: int, **values: Any) -> bulk.Spec:
    """Codes X2 to X9, XA and so on, which go by themselves."""
    values = {"only_code": True, "lengths": (2, 64), **values}
    return bulk.Spec(count, Pattern(length=1, prefix="X"), **values)


def test_generated_codes_that_must_be_the_only_ones_differ_from_those_of_every_rule(
    acme: Organization, rule: CouponCodesPromotionRule
):
    allow_short_codes(acme)
    for symbol in ALPHABET[:16]:
        factories.coupon(rule, code=f"x{symbol.lower()}")
    other = factories.coupon_rule(factories.percentage_promotion(acme))
    with pytest.raises(ValidationError) as refusal:
        bulk.generate(other, short(1), factories.BY)
    assert refusal.value.message_dict == {"count": ["would use more than half of the possible codes; make them longer"]}
    batch = bulk.generate(other, short(4, tries=200), factories.BY)
    assert batch.count == 4
    made = Coupon.objects.filter(promotion_rule=other)
    assert {code[1:] for code in made.values_list("code", flat=True)} < set(ALPHABET[16:])
    assert made.filter(only_code=F("code_norm"), batch=batch.name).count() == 4
    assert bulk.generate(other, short(1, only_code=False, lengths=None, tries=0), factories.BY).count <= 1


def test_the_lengths_of_codes_are_given_or_those_of_the_organization(rule: CouponCodesPromotionRule):
    assert bulk.generate(rule, bulk.Spec(1, Pattern(length=4), lengths=(4, 64)), factories.BY).count == 1
    assert bulk.generate(rule, bulk.Spec(1, Pattern(length=64), lengths=(4, 64)), factories.BY).count == 1
    for length in (3, 65):
        with pytest.raises(ValidationError, match="length"):
            bulk.generate(rule, bulk.Spec(1, Pattern(length=length), lengths=(4, 64)), factories.BY)
    with pytest.raises(ValidationError, match="too short"):
        bulk.generate(rule, bulk.Spec(1, Pattern(length=4)), factories.BY)


def test_codes_that_stay_taken_are_left_out_and_the_shortfall_is_logged(
    rule: CouponCodesPromotionRule, caplog: pytest.LogCaptureFixture
):
    batch = bulk.generate(rule, short(40, tries=10), factories.BY)
    assert 20 < batch.count <= 32
    assert Coupon.objects.filter(batch=batch.name, only_code=F("code_norm")).count() == batch.count
    assert Promotion.objects.get().coupons_count == batch.count
    (told,) = caplog.records
    assert (told.name, told.levelname) == ("tessera.coupons", "WARNING")
    assert told.getMessage() == f"{batch.count} of 40 codes of rule {rule.public_id} were made"
    assert (told.wanted, told.made) == (40, batch.count)  # type: ignore[attr-defined]


def test_none_at_all_may_be_had_and_nothing_is_recorded(
    rule: CouponCodesPromotionRule, caplog: pytest.LogCaptureFixture
):
    allow_short_codes(rule.organization)
    for symbol in ALPHABET:
        factories.coupon(rule, code=f"X{symbol}")
    versions = Version.objects.count()
    assert bulk.generate(rule, short(2, tries=10), factories.BY).count == 0
    assert Version.objects.count() == versions
    assert [told.getMessage() for told in caplog.records] == [f"0 of 2 codes of rule {rule.public_id} were made"]


# --- What cannot be run -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "options", "message"),
    [
        ("missing.csv", {}, "missing.csv: No such file or directory."),
        ("codes.csv", {"organization": "nobody"}, "There is no organization 'nobody'."),
        ("codes.csv", {"rule": "nonsense"}, "--rule: 'nonsense' is not a coupon rule of this organization and mode."),
        ("codes.csv", {"rejects": Path("codes.csv")}, "--rejects is the file itself."),
        ("codes.csv", {"rejects": Path("nowhere/bad.csv")}, "nowhere/bad.csv.partial: No such file or directory."),
        (
            "header.csv",
            {},
            "The header has an unknown column 'colour'; known are code, promotion_rule_id, expires_at, usage_limit, "
            "customer_single_use, applies_to_count, recipient_email, reference, reference_origin, metadata. "
            "Nothing was written.",
        ),
        (
            "quotes.csv",
            {},
            "Line 2 is not CSV (unexpected end of data); nothing after it can be read. Nothing was written.",
        ),
    ],
)
def test_what_cannot_be_run_is_told_in_a_sentence(
    rule: CouponCodesPromotionRule, folder: Path, file: str, options: dict[str, Any], message: str
):
    Path("codes.csv").write_text("code\nSHORT\n")
    Path("header.csv").write_text("code,colour\n")
    Path("quotes.csv").write_text('code\n"SUMMER-01\n')
    assert refused("import_coupons", file, **{"rule": rule.public_id, **options}) == message
    assert not Coupon.objects.exists()


@pytest.fixture
def outside(transactional_db: None, tmp_path: Path) -> dict[str, str]:
    """The environment of a process of its own that sees what the test has in its database."""
    factories.coupon_rule(factories.percentage_promotion(factories.organization(slug="acme")))
    environment = {**os.environ, "EMBEDDED": "1", "DATA_DIR": str(tmp_path)}
    if connection.vendor == "postgresql":
        url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
        return {**environment, "DATABASE_URL": url.geturl()}
    with sqlite3.connect(tmp_path / "tessera.sqlite3") as copy:
        connection.connection.backup(copy)
    return environment


def started(environment: dict[str, str], command: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, settings.BASE_DIR / "manage.py", command, *arguments, "--organization", "acme"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A suite that runs in the background of a script ignores SIGINT, and its children would too.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.parametrize(
    ("end", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_an_interrupted_import_leaves_nothing(outside: dict[str, str], end: signal.Signals, code: int):
    rule = CouponCodesPromotionRule.objects.get()
    with started(outside, "import_coupons", "-", "--rule", rule.public_id) as importing:
        assert importing.stdin
        importing.stdin.write(b"code\n")
        # A pipe holds far less than this: the command has begun to load when all of it is written.
        importing.stdin.writelines(b"SUMMER-%06d\n" % number for number in range(50_000))
        importing.stdin.flush()
        importing.send_signal(end)
        assert importing.wait(timeout=30) == code
    with started(outside, "export_coupons", "--columns", "code") as exporting:
        assert exporting.communicate(timeout=30) == (b"code\r\n", b"")
    with started(outside, "import_coupons", "-", "--rule", rule.public_id) as importing:
        told, _ = importing.communicate(b"code\nSUMMER-000001\n", timeout=30)
        assert told.startswith(b"Imported 1 codes as batch ")


# --- generate_coupons -------------------------------------------------------------------------------------------------


def test_codes_are_generated_and_written_to_a_file(rule: CouponCodesPromotionRule, folder: Path):
    arguments = "--count 40 --length 6 --prefix VIP- --suffix -26 --alphabet ABCDEFGH --usage-limit 2 "
    arguments += "--expires-at 2027-01-31T12:00+01:00 --customer-single-use --applies-to-count 4 --output codes.csv"
    output = run("generate_coupons", "--rule", rule.public_id, *arguments.split())
    batch = Coupon.objects.values_list("batch", flat=True).distinct().get()
    assert output.startswith(f"Generated 40 codes as batch {batch} in ")
    assert len(codes()) == 40
    assert all(re.fullmatch(r"VIP-[A-H]{6}-26", code) for code in codes())
    same = Coupon.objects.values_list("usage_limit", "expires_at", "customer_single_use", "applies_to_count")
    assert same.distinct().get() == (2, datetime(2027, 1, 31, 11, tzinfo=UTC), True, 4)
    header, *written = Path("codes.csv").read_text().splitlines()
    assert header == "code"
    assert set(written) == codes()


def test_generated_codes_are_twelve_symbols_without_limits_unless_told(rule: CouponCodesPromotionRule):
    run("generate_coupons", rule=rule.public_id, count=3)
    assert all(re.fullmatch(r"[2-9A-HJ-NP-Z]{12}", code) for code in codes())
    same = Coupon.objects.values_list("usage_limit", "expires_at", "customer_single_use", "applies_to_count")
    assert same.distinct().get() == (None, None, False, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--count 0", "--count must be at least 1. Nothing was written."),
        ("--count 1 --usage-limit=-1", "--usage-limit must be from 0 to 9007199254740991. Nothing was written."),
        ("--count 1 --applies-to-count 0", "--applies-to-count must be from 1 to 9999999999. Nothing was written."),
        (
            "--count 200 --length 8 --alphabet AB",
            "--count would use more than half of the possible codes; make them longer. Nothing was written.",
        ),
        (
            "--count 1 --length 4",
            "--length with prefix and suffix is too short (minimum is 8 characters). Nothing was written.",
        ),
        ("--count 1 --output nowhere/codes.csv", "nowhere/codes.csv.partial: No such file or directory."),
        ("--count 1 --expires-at soon", "Error: argument --expires-at: 'soon' is not an ISO 8601 instant"),
    ],
)
def test_codes_that_cannot_be_generated_are_refused(rule: CouponCodesPromotionRule, arguments: str, message: str):
    assert refused("generate_coupons", "--rule", rule.public_id, *arguments.split()) == message
    assert not Coupon.objects.exists()


# --- export_coupons ---------------------------------------------------------------------------------------------------


def test_coupons_of_the_tenant_are_exported(rule: CouponCodesPromotionRule, folder: Path):
    other = factories.coupon_rule(factories.percentage_promotion(rule.organization))
    factories.coupon(rule, code="SUMMER-01")
    factories.coupon(other, code="SUMMER-02")
    factories.coupon(
        factories.coupon_rule(factories.percentage_promotion(rule.organization, mode=Mode.LIVE)), code="LIVE-0001"
    )
    factories.coupon(factories.coupon_rule(factories.percentage_promotion(factories.organization())), code="ELSEWHERE")
    columns = ["code", "promotion_rule_id"]
    of_rule, of_other = f"SUMMER-01,{rule.public_id}\r\n", f"SUMMER-02,{other.public_id}\r\n"
    header = "code,promotion_rule_id\r\n"
    assert run("export_coupons", columns=columns) == header + of_rule + of_other
    assert run("export_coupons", columns=columns, rule=other.public_id) == header + of_other
    assert run("export_coupons", columns=["code"], mode="live") == "code\r\nLIVE-0001\r\n"
    assert run("export_coupons", columns=columns, output="all.csv").startswith("Exported 2 coupons in ")
    assert Path("all.csv").read_bytes().decode() == header + of_rule + of_other


def test_an_export_goes_back_in_as_it_is(rule: CouponCodesPromotionRule, folder: Path):
    factories.coupon(rule, code="=SUM(A1)", usage_limit=3, applies_to_count=2, metadata={"a": 1})
    run("export_coupons", output="codes.csv")
    before = Coupon.objects.values().get()
    Coupon.objects.all().delete()
    run("import_coupons", "codes.csv")
    after = Coupon.objects.values().get()
    kept = before.keys() - {"id", "batch", "created_at", "updated_at"}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}


def test_codes_of_a_declining_balance_without_an_end_come_and_go_like_any(acme: Organization, folder: Path):
    window = {"starts_at": ALWAYS, "expires_at": NEVER}
    cheque = factories.coupon_rule(factories.fixed_amount_promotion(acme, declining_balance=True, **window))
    share = factories.coupon_rule(factories.percentage_promotion(acme, percentage=Decimal("33.3333"), **window))
    run("generate_coupons", rule=cheque.public_id, count=2)
    run("generate_coupons", rule=share.public_id, count=3)
    before = codes()
    run("export_coupons", output="codes.csv")
    Coupon.objects.all().delete()
    assert run("import_coupons", "codes.csv").startswith("Imported 5 codes as batch ")
    assert codes() == before
    kept = Coupon.objects.values_list("promotion_rule_id", "usage_count", "used_amount_cents", "expires_at")
    assert sorted(kept) == sorted([(cheque.pk, 0, 0, None)] * 2 + [(share.pk, 0, 0, None)] * 3)


def test_an_unknown_column_is_named(rule: CouponCodesPromotionRule):
    message = refused("export_coupons", "--columns", "code,colour")
    assert message.startswith("Error: argument --columns: unknown column 'colour'; known are code, ")


# --- Progress ---------------------------------------------------------------------------------------------------------


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_bar_with_rate_and_time_left(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Progress, "SECONDS_ON_TERMINAL", 0)
    terminal = Terminal()
    progress = Progress(OutputWrapper(terminal), size=8000)
    assert list(progress.over(range(4000))) == list(range(4000))
    progress.done()
    lines = terminal.getvalue().split("\r\x1b[K")
    assert re.fullmatch(r"\[#{6} {18}\]  25% 2,000 rows, [\d,]+ a second, \d+:\d\d left", lines[1])
    assert re.fullmatch(r"\[#{12} {12}\]  50% 4,000 rows, [\d,]+ a second, \d+:\d\d left", lines[2])
    assert lines[3:] == [""]


def test_elsewhere_there_are_plain_lines(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Progress, "SECONDS_ELSEWHERE", 0)
    log = StringIO()
    progress = Progress(OutputWrapper(log), size=None)
    list(progress.over(range(4000)))
    progress.stage("writing 4,000 codes")
    progress.done()
    first, second, third = log.getvalue().splitlines()
    assert re.fullmatch(r"2,000 rows, [\d,]+ a second", first)
    assert re.fullmatch(r"4,000 rows, [\d,]+ a second", second)
    assert third == "4,000 rows read; writing 4,000 codes"


def test_the_place_in_the_file_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Progress, "SECONDS_ELSEWHERE", 0)
    log = StringIO()
    list(Progress(OutputWrapper(log), size=400, position=lambda: 300).over(range(2000)))
    assert log.getvalue().startswith(" 75% 2,000 rows, ")
