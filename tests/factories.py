"""Rows for tests, the one place that makes them. Every function takes what matters to the test and invents the rest."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from commerce import changes
from commerce.models import Application, Mode, Organization
from coupons.models import Coupon, CouponRecipient
from promotions.models import (
    CouponCodesPromotionRule,
    FixedAmountPromotion,
    OrderAmountPromotionRule,
    PercentageDiscountPromotion,
    Promotion,
)
from tags.models import Tag

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
BY = changes.By({"command": "tests"}, NOW)

_numbers = count(1)


def organization(**values: Any) -> Organization:
    number = next(_numbers)
    values = {"slug": f"org-{number}", "name": f"Organization {number}", **values}
    return Organization.objects.create(created_at=NOW, updated_at=NOW, **values)


def application(owner: Organization, kind: str = Application.Kind.INTEGRATION, **values: Any) -> Application:
    values = {"mode": Mode.TEST, "name": f"App {next(_numbers)}", "client_secret": "a-secret", **values}
    return _created(
        Application(
            organization=owner,
            kind=kind,
            client_type=Application.CLIENT_PUBLIC if kind == "sales_channel" else Application.CLIENT_CONFIDENTIAL,
            authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
            **values,
        )
    )


def percentage_promotion(owner: Organization, **values: Any) -> PercentageDiscountPromotion:
    return _created(PercentageDiscountPromotion(**_promotion(owner, percentage=10) | values))


def fixed_amount_promotion(owner: Organization, **values: Any) -> FixedAmountPromotion:
    return _created(FixedAmountPromotion(**_promotion(owner, fixed_amount_cents=1000, currency_code="EUR") | values))


def coupon_rule(promotion: Promotion, **values: Any) -> CouponCodesPromotionRule:
    return _created(CouponCodesPromotionRule(promotion=promotion, **_tenant_of(promotion), **values))


def order_amount_rule(promotion: Promotion, **values: Any) -> OrderAmountPromotionRule:
    values = {"order_amount_cents": 10_000, **values}
    return _created(OrderAmountPromotionRule(promotion=promotion, **_tenant_of(promotion), **values))


def coupon(rule: CouponCodesPromotionRule, **values: Any) -> Coupon:
    values = {"code": f"CODE-{next(_numbers):06}", **values}
    row = _created(Coupon(promotion_rule=rule, **_tenant_of(rule), **values))
    changes.count(Promotion, rule.promotion_id, coupons_count=1)
    return row


def recipient(owner: Organization, **values: Any) -> CouponRecipient:
    values = {"mode": Mode.TEST, "email": f"person{next(_numbers)}@example.com", **values}
    return _created(CouponRecipient(organization=owner, **values))


def tag(owner: Organization, **values: Any) -> Tag:
    values = {"mode": Mode.TEST, "name": f"tag_{next(_numbers)}", **values}
    return _created(Tag(organization=owner, **values))


def _promotion(owner: Organization, **values: Any) -> dict[str, Any]:
    return {
        "organization": owner,
        "mode": Mode.TEST,
        "name": f"Promotion {next(_numbers)}",
        "starts_at": NOW - timedelta(days=1),
        "expires_at": NOW + timedelta(days=3650),
        **values,
    }


def _tenant_of(row: Any) -> dict[str, Any]:
    return {"organization_id": row.organization_id, "mode": row.mode}


def _created(row: Any) -> Any:
    changes.create(row, BY)
    return row
