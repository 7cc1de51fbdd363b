"""A promotion and the rule that its coupons open it by, made as one; coupons that go by their code alone.

Every function runs inside `changes.atomic()`.
"""

from django.core.exceptions import ValidationError
from django.db.models import F

from commerce import changes
from commerce.models import Tenant
from coupons import upkeep
from coupons.models import Coupon
from promotions.models import CouponCodesPromotionRule, Promotion


def define(promotion: Promotion, by: changes.By) -> CouponCodesPromotionRule:
    """Creates the promotion, which nothing but coupons of the rule opens."""
    changes.create(promotion, by)
    rule = CouponCodesPromotionRule(promotion=promotion, **promotion.tenant._asdict())
    changes.create(rule, by)
    return rule


def create_only_coupon(coupon: Coupon, by: changes.By) -> None:
    """Creates a coupon whose code no other of its tenant has. Raises ValidationError on `code` where one has."""
    coupon.only_code = ""  # becomes the normalised code
    coupon.clean()
    if with_code(coupon.tenant, coupon.code_norm):
        raise ValidationError({"code": ValidationError("has already been taken", code="taken")})
    upkeep.create_coupon(coupon, by)


def with_code(tenant: Tenant, code_norm: str) -> Coupon | None:
    """The coupon that has the code: that which has it alone, or else the first."""
    rows = Coupon.objects.owned_by(tenant).filter(code_norm=code_norm)
    found = rows.select_related("promotion_rule__promotion").order_by(F("only_code").desc(nulls_last=True), "pk")
    return found.first()
