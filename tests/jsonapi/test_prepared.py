from datetime import UTC, datetime
from typing import Any

import pytest
from django.db.models import Q

from commerce.jsonapi.prepared import Instances, Parameter, Statement, like, without_values
from commerce.models import Organization, Tenant
from coupons.models import Coupon
from tests import factories


def test_conditions_that_differ_in_values_alone_are_one_condition():
    first, second = {}, {}
    one = without_values(Q(code_norm__exact="A") & ~Q(usage_count__gt=1) & Q(pk__in=[1, 2]), first)
    other = without_values(Q(code_norm__exact="B") & ~Q(usage_count__gt=5) & Q(pk__in=[3]), second)
    assert one == other
    assert hash(one) == hash(other)
    assert list(first.values()) == ["A", 1, [1, 2]]
    assert list(second.values()) == ["B", 5, [3]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Q(code_norm__exact="A"), Q(code_norm__gt="A")),
        (Q(code_norm__exact="A"), ~Q(code_norm__exact="A")),
        (Q(code_norm__exact="A"), Q(code__exact="A")),
        (Q(customer_single_use__exact=True), Q(customer_single_use__exact=False)),
        (Q(expires_at__isnull=True), Q(expires_at__isnull=False)),
    ],
)
def test_conditions_that_differ_in_more_are_two(one: Q, other: Q):
    assert without_values(one, {}) != without_values(other, {})


@pytest.mark.parametrize("value", [Coupon.objects.all(), {"a": 1}, None, 1.5])
def test_a_value_that_shapes_the_statement_is_not_taken_out(value: Any):
    assert without_values(Q(("metadata__exact", value)), {}) is None


def test_a_statement_runs_for_any_tenant_and_any_number_of_keys(acme: Organization):
    rule = factories.coupon_rule(factories.percentage_promotion(acme))
    coupons = [factories.coupon(rule) for _ in range(3)]
    tenant = Tenant(acme.pk, "test")
    rows = Coupon.objects.owned_by(like(tenant)).filter(pk__among=Parameter("keys")).order_by("pk")
    statement = Statement(rows.values_list("code"))

    def codes(tenant: Tenant, *keys: int) -> list[str]:
        return [code for (code,) in statement.run({**tenant._asdict(), "keys": list(keys)})]

    assert codes(tenant, *(coupon.pk for coupon in coupons)) == [coupon.code for coupon in coupons]
    assert codes(tenant, coupons[1].pk) == [coupons[1].code]
    assert codes(tenant) == []
    assert codes(Tenant(acme.pk, "live"), coupons[1].pk) == []


def test_instances_are_those_the_orm_would_load(acme: Organization):
    rule = factories.coupon_rule(factories.percentage_promotion(acme))
    expires_at = datetime(2030, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    kept = factories.coupon(rule, metadata={"a": [1, None]}, usage_limit=3, expires_at=expires_at)
    (loaded,) = Instances(Coupon.objects.filter(pk=Parameter("key"))).load({"key": kept.pk})
    fields = [field.attname for field in Coupon._meta.concrete_fields]
    wanted = Coupon.objects.get(pk=kept.pk)
    assert {name: getattr(loaded, name) for name in fields} == {name: getattr(wanted, name) for name in fields}
    assert loaded.metadata == {"a": [1, None]}
    assert loaded.stored("usage_limit") == 3
