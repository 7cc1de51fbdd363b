import csv
from collections.abc import Iterable
from datetime import UTC, datetime
from io import BufferedReader, BytesIO
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from commerce.errors import DomainError, NotUnique
from commerce.models import Event, Mode, Organization, Version
from coupons import bulk, code_files
from coupons.bulk import Batch, Refusal, Spec
from coupons.code_files import Row
from coupons.codes import Pattern
from coupons.models import Coupon, CouponRecipient
from promotions.models import CouponCodesPromotionRule, Promotion
from tests import factories
from tests.factories import BY, NOW


@pytest.fixture
def rule(acme: Organization) -> CouponCodesPromotionRule:
    return factories.coupon_rule(factories.percentage_promotion(acme))


def staged(rule: CouponCodesPromotionRule, *codes: str, **values: Any) -> list[Row]:
    return [
        Row(line=line, code=code, code_norm=code.upper(), promotion_rule_id=rule.pk)._replace(**values)
        for line, code in enumerate(codes, 2)
    ]


def load(rule: CouponCodesPromotionRule, rows: Iterable[Row]) -> tuple[list[Refusal], Batch]:
    """Loads the good rows, as `--skip-invalid` does."""
    with bulk.staging(rule.tenant) as staging:
        staging.add(rows)
        staging.refuse_duplicates()
        return list(staging.refusals()), staging.insert(BY)


def imported(rule: CouponCodesPromotionRule, content: str) -> tuple[list[Refusal], Batch]:
    terms = bulk.terms(rule.organization, rule.mode, rule)
    return load(rule, code_files.read(BufferedReader(BytesIO(content.encode())), "csv", terms))


def versions_since(key: int) -> list[Version]:
    return list(Version.objects.filter(pk__gt=key).order_by("pk"))


def last_version() -> int:
    return Version.objects.order_by("pk").values_list("pk", flat=True).last() or 0


# --- Loading ----------------------------------------------------------------------------------------------------------


def test_a_row_becomes_a_coupon_with_everything_it_gives(rule: CouponCodesPromotionRule):
    row = Row(
        line=2,
        code="Summer 2026",
        code_norm="SUMMER2026",
        promotion_rule_id=rule.pk,
        expires_at="2027-01-31 11:00:00.123000",
        usage_limit=5,
        customer_single_use=1,
        applies_to_count=3,
        email="Ada@Example.com",
        email_norm="ada@example.com",
        reference="R-1",
        reference_origin="erp",
        metadata='{"a":[1,null]}',
    )
    refusals, batch = load(rule, [row])
    recipient = CouponRecipient.objects.get()
    assert refusals == []
    assert (batch.count, batch.recipients, len(batch.name)) == (1, 1, 10)
    assert Coupon.objects.values().get() == {
        "id": Coupon.objects.get().pk,
        "created_at": NOW,
        "updated_at": NOW,
        "reference": "R-1",
        "reference_origin": "erp",
        "metadata": {"a": [1, None]},
        "revision": 1,
        "organization_id": rule.organization_id,
        "mode": "test",
        "promotion_rule_id": rule.pk,
        "coupon_recipient_id": recipient.pk,
        "code": "Summer 2026",
        "code_norm": "SUMMER2026",
        "customer_single_use": True,
        "usage_limit": 5,
        "usage_count": 0,
        "used_amount_cents": 0,
        "applies_to_count": 3,
        "expires_at": datetime(2027, 1, 31, 11, 0, 0, 123000, tzinfo=UTC),
        "batch": batch.name,
        "only_code": None,
    }
    assert (recipient.email, recipient.email_norm, recipient.revision) == ("Ada@Example.com", "ada@example.com", 1)
    assert (recipient.tenant, recipient.created_at, recipient.metadata) == (rule.tenant, NOW, {})


def test_a_row_with_a_code_only_becomes_what_the_api_makes_of_it(rule: CouponCodesPromotionRule):
    load(rule, staged(rule, "SUMMER-01"))
    factories.coupon(rule, code="SUMMER-02")
    loaded, created = Coupon.objects.order_by("code").values()
    differing = {name for name in loaded if loaded[name] != created[name]}
    assert differing == {"id", "code", "code_norm", "batch"}


def test_a_batch_costs_one_version_and_one_event_on_its_rule(rule: CouponCodesPromotionRule):
    factories.coupon(rule)
    before, events = last_version(), Event.objects.count()
    _, batch = load(rule, staged(rule, *(f"SUMMER-{number:04}" for number in range(2500))))
    (version,) = versions_since(before)
    assert (version.resource_type, version.resource_id) == ("coupon_codes_promotion_rules", rule.pk)
    assert (version.event, version.who) == ("update", {"command": "tests"})
    assert version.changes == {"coupons_count": [1, 2501], "batch": [None, batch.name]}
    assert Event.objects.count() == events + 1
    event = Event.objects.order_by("pk").last()
    assert (event.name, event.resource_id) == ("coupon_codes_promotion_rules.update", rule.pk)
    assert Coupon.objects.filter(batch=batch.name).count() == 2500


def test_every_rule_of_a_batch_is_counted_and_recorded(rule: CouponCodesPromotionRule):
    other = factories.coupon_rule(factories.percentage_promotion(rule.organization))
    before = last_version()
    rows = [*staged(rule, "SUMMER-01", "SUMMER-02"), Row(9, "SUMMER-01", "SUMMER-01", other.pk)]
    _, batch = load(rule, rows)
    assert {version.resource_id: version.changes for version in versions_since(before)} == {
        rule.pk: {"coupons_count": [0, 2], "batch": [None, batch.name]},
        other.pk: {"coupons_count": [0, 1], "batch": [None, batch.name]},
    }
    counts = Promotion.objects.values_list("pk", "coupons_count", "revision")
    assert set(counts) == {(rule.promotion_id, 2, 2), (other.promotion_id, 1, 2)}


def test_a_code_twice_in_the_file_is_refused_from_the_second_on(rule: CouponCodesPromotionRule):
    refusals, batch = load(rule, staged(rule, "SUMMER-01", "SUMMER-02", "summer-01", "Summer-01"))
    assert refusals == [
        Refusal(4, "summer-01", "code is the same as on line 2"),
        Refusal(5, "Summer-01", "code is the same as on line 2"),
    ]
    assert batch.count == 2
    assert set(Coupon.objects.values_list("code", flat=True)) == {"SUMMER-01", "SUMMER-02"}


def test_a_code_in_the_database_is_refused(rule: CouponCodesPromotionRule):
    factories.coupon(rule, code="Summer-01")
    refusals, batch = load(rule, staged(rule, "SUMMER-01", "SUMMER-02"))
    assert refusals == [Refusal(2, "SUMMER-01", "code has already been taken")]
    assert batch.count == 1
    assert Promotion.objects.get().coupons_count == 2


def test_the_same_code_may_stand_in_two_rules(rule: CouponCodesPromotionRule):
    other = factories.coupon_rule(factories.percentage_promotion(rule.organization))
    factories.coupon(other, code="SUMMER-01")
    refusals, _ = load(rule, [*staged(rule, "SUMMER-01"), Row(9, "SUMMER-02", "SUMMER-02", other.pk)])
    assert refusals == []
    assert Coupon.objects.filter(code="SUMMER-01").count() == 2


def test_a_rule_that_gets_none_of_the_rows_is_not_recorded(rule: CouponCodesPromotionRule):
    other = factories.coupon_rule(factories.percentage_promotion(rule.organization))
    factories.coupon(rule, code="SUMMER-01")
    before = last_version()
    refusals, batch = load(rule, [*staged(rule, "SUMMER-01"), Row(9, "SUMMER-02", "SUMMER-02", other.pk)])
    assert refusals == [Refusal(2, "SUMMER-01", "code has already been taken")]
    assert batch.count == 1
    assert [version.resource_id for version in versions_since(before)] == [other.pk]


def test_a_row_refused_for_another_reason_takes_no_code(rule: CouponCodesPromotionRule):
    rows = [
        Row(2, "SUMMER-01", problem="expires_at is not an ISO 8601 instant"),
        Row(3, "SUMMER-01", "SUMMER-01", rule.pk),
    ]
    refusals, batch = load(rule, rows)
    assert refusals == [Refusal(2, "SUMMER-01", "expires_at is not an ISO 8601 instant")]
    assert batch.count == 1


def test_refusals_come_by_line_however_many(rule: CouponCodesPromotionRule):
    rows = [Row(line, "x", problem="is wrong") for line in range(5000, 0, -1)]
    with bulk.staging(rule.tenant) as staging:
        staging.add(rows)
        staging.refuse_duplicates()
        assert staging.counts() == (0, 5000)
        assert [refusal.line for refusal in staging.refusals()] == list(range(1, 5001))


def test_what_postgresql_would_take_for_markup_is_stored_as_it_is(rule: CouponCodesPromotionRule):
    code = 'A\tB\\N\r\n"C",\\.'
    load(rule, [Row(2, code, "ABCDEFGH", rule.pk, reference="\\N", metadata='{"a":"\\\\t"}')])
    coupon = Coupon.objects.get()
    assert (coupon.code, coupon.reference, coupon.metadata) == (code, "\\N", {"a": "\\t"})


def test_nothing_is_left_of_a_load_that_fails(rule: CouponCodesPromotionRule):
    def rows() -> Iterable[Row]:
        yield from staged(rule, "SUMMER-01")
        raise code_files.Unreadable("Line 3 is not CSV.")

    before = last_version()
    with pytest.raises(code_files.Unreadable):
        load(rule, rows())
    assert not Coupon.objects.exists()
    assert versions_since(before) == []
    assert load(rule, staged(rule, "SUMMER-01"))[1].count == 1


def test_a_rule_deleted_meanwhile_stops_the_load(rule: CouponCodesPromotionRule):
    rows = staged(rule, "SUMMER-01")
    rule.delete()
    with pytest.raises(DomainError, match="A promotion rule was deleted at the same time"):
        load(rule, rows)
    assert not Coupon.objects.exists()


def test_a_code_taken_after_the_check_stops_the_load(rule: CouponCodesPromotionRule):
    def load_too_late() -> None:
        with bulk.staging(rule.tenant) as staging:
            staging.add(staged(rule, "SUMMER-01", "SUMMER-02"))
            staging.refuse_duplicates()
            factories.coupon(rule, code="SUMMER-02")
            staging.insert(BY)

    with pytest.raises(NotUnique):
        load_too_late()
    assert not Coupon.objects.exists()


def test_rows_are_judged_by_the_organizations_own_limits_and_rules(rule: CouponCodesPromotionRule):
    organization = rule.organization
    organization.settings = {"coupons_min_code_length": 3, "coupons_max_code_length": 99}
    factories.coupon_rule(factories.percentage_promotion(organization, mode=Mode.LIVE))
    factories.coupon_rule(factories.percentage_promotion(factories.organization()))
    assert bulk.terms(organization, Mode.TEST, rule) == ({rule.public_id: rule.pk}, rule.pk, 3, 64)
    assert bulk.terms(organization, Mode.TEST) == ({rule.public_id: rule.pk}, None, 3, 64)


# --- Recipients -------------------------------------------------------------------------------------------------------


def test_recipients_are_found_by_their_normalised_address_or_made_once(rule: CouponCodesPromotionRule):
    known = factories.recipient(rule.organization, email="Known@example.com")
    factories.recipient(rule.organization, email="KNOWN@example.com")
    factories.recipient(rule.organization, email="new@example.com", mode=Mode.LIVE)
    factories.recipient(factories.organization(), email="new@example.com")
    before = last_version()
    _, batch = imported(
        rule,
        "code,recipient_email\nSUMMER-01,known@EXAMPLE.com\nSUMMER-02,New@example.com\nSUMMER-03,NEW@example.com\n"
        "SUMMER-04,\nbad,other@example.com\n",
    )
    made = CouponRecipient.objects.owned_by(rule.tenant).get(email_norm="new@example.com")
    assert made.email == "New@example.com"
    assert batch.recipients == 1
    assert dict(Coupon.objects.values_list("code", "coupon_recipient_id")) == {
        "SUMMER-01": known.pk,
        "SUMMER-02": made.pk,
        "SUMMER-03": made.pk,
        "SUMMER-04": None,
    }
    assert not CouponRecipient.objects.filter(email_norm="other@example.com").exists()
    (version,) = versions_since(before)
    assert version.changes == {"coupons_count": [0, 4], "coupon_recipients": [0, 1], "batch": [None, batch.name]}


# --- Generating -------------------------------------------------------------------------------------------------------


def test_codes_are_generated_as_specified(rule: CouponCodesPromotionRule):
    expires_at = datetime(2027, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
    spec = Spec(
        count=2500,
        pattern=Pattern(length=10, prefix="Vip-", alphabet="ABCDEF23"),
        usage_limit=3,
        expires_at=expires_at,
        customer_single_use=True,
    )
    before = last_version()
    batch = bulk.generate(rule, spec, BY)
    assert batch == Batch(batch.name, 2500, 0)
    coupons = Coupon.objects.filter(batch=batch.name, promotion_rule=rule)
    assert coupons.count() == 2500
    assert all(len(code) == 14 and code.startswith("Vip-") for code in coupons.values_list("code", flat=True))
    assert coupons.filter(code_norm__startswith="VIP-").count() == 2500
    same = coupons.values_list("usage_limit", "expires_at", "customer_single_use", "created_at").distinct()
    assert list(same) == [(3, expires_at.replace(microsecond=123000), True, NOW)]
    (version,) = versions_since(before)
    assert version.changes == {"coupons_count": [0, 2500], "batch": [None, batch.name]}
    assert Promotion.objects.get().coupons_count == 2500


def test_collisions_are_topped_up_to_the_exact_count(rule: CouponCodesPromotionRule):
    spec = Spec(count=128, pattern=Pattern(length=8, prefix="", alphabet="AB"))
    assert bulk.generate(rule, spec, BY).count == 128
    assert Coupon.objects.count() == 128


def test_no_more_than_half_of_the_possible_codes_are_used(rule: CouponCodesPromotionRule):
    pattern = Pattern(length=8, alphabet="AB")
    with pytest.raises(ValidationError) as refusal:
        bulk.generate(rule, Spec(129, pattern), BY)
    assert refusal.value.message_dict == {"count": ["would use more than half of the possible codes; make them longer"]}
    assert not Coupon.objects.exists()


def test_codes_that_exist_count_as_used(rule: CouponCodesPromotionRule):
    pattern = Pattern(length=8, alphabet="AB")
    bulk.generate(rule, Spec(100, pattern), BY)
    rule.promotion.refresh_from_db()
    with pytest.raises(ValidationError, match="more than half"):
        bulk.generate(rule, Spec(29, pattern), BY)
    assert bulk.generate(rule, Spec(28, pattern), BY).count == 28


def test_codes_of_another_pattern_do_not_count_as_used(rule: CouponCodesPromotionRule):
    bulk.generate(rule, Spec(100, Pattern(length=8, alphabet="AB", prefix="X")), BY)
    rule.promotion.refresh_from_db()
    assert bulk.generate(rule, Spec(128, Pattern(length=8, alphabet="AB")), BY).count == 128


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (Spec(0), "count"),
        (Spec(-1), "count"),
        (Spec(1, usage_limit=-1), "usage_limit"),
        (Spec(1, usage_limit=2**53), "usage_limit"),
        (Spec(1, Pattern(length=7)), "length"),
        (Spec(1, Pattern(length=41)), "length"),
        (Spec(1, Pattern(alphabet="AA")), "alphabet"),
    ],
)
def test_a_specification_that_cannot_be_met_is_refused_by_field(rule: CouponCodesPromotionRule, spec: Spec, field: str):
    with pytest.raises(ValidationError) as refusal:
        bulk.generate(rule, spec, BY)
    assert list(refusal.value.message_dict) == [field]
    assert not Coupon.objects.exists()


# --- Exporting --------------------------------------------------------------------------------------------------------

EVERYTHING = (
    "code,promotion_rule_id,expires_at,usage_limit,customer_single_use,applies_to_count,recipient_email,reference,"
    "reference_origin,metadata,usage_count\r\n"
)


def test_an_export_holds_every_column(rule: CouponCodesPromotionRule):
    factories.coupon(rule, code="SUMMER-01")
    factories.coupon(
        rule,
        code='=1+"1", x',
        expires_at=datetime(2027, 1, 31, 12, tzinfo=UTC),
        usage_limit=5,
        usage_count=2,
        customer_single_use=True,
        applies_to_count=3,
        coupon_recipient=factories.recipient(rule.organization, email="Ada@example.com"),
        reference="line\nbreak",
        reference_origin="erp",
        metadata={"a": "é"},
    )
    assert "".join(bulk.export_rows(Coupon.objects.order_by("pk"))) == (
        EVERYTHING + f"SUMMER-01,{rule.public_id},,,false,,,,,,0\r\n"
        f'"=1+""1"", x",{rule.public_id},2027-01-31T12:00:00.000Z,5,true,3,Ada@example.com,"line\nbreak",erp,'
        '"{""a"":""é""}",2\r\n'
    )


def test_an_export_of_nothing_has_a_header(db: None):
    assert list(bulk.export_rows(Coupon.objects.all())) == [EVERYTHING]


def test_an_export_streams_in_one_query(rule: CouponCodesPromotionRule, django_assert_num_queries: Any):
    bulk.generate(rule, Spec(2500), BY)
    with django_assert_num_queries(1):
        assert sum(1 for _ in bulk.export_rows(Coupon.objects.order_by("pk"))) == 2501


def test_what_is_exported_can_be_imported_into_another_rule(rule: CouponCodesPromotionRule):
    imported(
        rule,
        "code,expires_at,usage_limit,customer_single_use,recipient_email,reference,reference_origin,metadata\n"
        'SUMMER-01,,,,,,,\n" sum mer,""02""\n",2027-01-31T12:00:00.5Z,0,1,Ada@example.com,"=a\r\nb",erp,"{""a"":[1]}"\n'
        "ＳＵＭＭＥＲ－03,2027-01-31,9007199254740991,0,,café,,\n",
    )
    other = factories.coupon_rule(factories.percentage_promotion(rule.organization))
    columns = [column for column in code_files.EXPORTED if column != "promotion_rule_id"]
    exported = "".join(bulk.export_rows(Coupon.objects.filter(promotion_rule=rule), columns))
    refusals, batch = imported(other, exported)
    assert refusals == []
    assert (batch.count, batch.recipients) == (3, 0)

    def values(of: CouponCodesPromotionRule) -> list[dict[str, Any]]:
        rows = Coupon.objects.filter(promotion_rule=of).order_by("code_norm").values()
        return [{name: row[name] for name in row.keys() - {"id", "promotion_rule_id", "batch"}} for row in rows]

    assert values(other) == values(rule)
    assert len(list(csv.reader(exported.splitlines(keepends=True)))) == 4


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


def test_postgresql_finds_codes_by_prefix_in_an_index(rule: CouponCodesPromotionRule):
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL compares text by a collation")
    bulk.generate(rule, Spec(5000), BY)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE coupons_coupon")
        cursor.execute("SELECT reloptions FROM pg_class WHERE relname = 'coupons_coupon'")
        assert cursor.fetchone() == (["fillfactor=85"],)
    found = Coupon.objects.owned_by(rule.tenant).filter(code_norm__startswith="ABC")
    assert "code_norm)::text >= 'ABC'" in found.explain()
