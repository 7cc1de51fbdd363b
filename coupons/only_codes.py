"""Coupons that go by their code alone: no other of the tenant has it, whatever its rule.

The coupons of a rule do if its first one by code does, which the unique index finds however many there are.
"""

from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, Subquery

from commerce.codes import normalise_code
from coupons.models import Coupon
from promotions.models import CouponCodesPromotionRule

OF_RULE = Subquery(Coupon.objects.filter(promotion_rule=OuterRef("pk")).order_by("code_norm").values("only_code")[:1])
"""Of rules: null unless the codes of their coupons go by themselves."""


def go_alone(rule: CouponCodesPromotionRule) -> bool:
    rows = CouponCodesPromotionRule.objects.owned_by(rule.tenant).filter(pk=rule.pk)
    return rows.values_list(OF_RULE, flat=True).first() is not None


def settle(coupon: Coupon) -> None:
    """Decides of a coupon that is new, renamed or moved, before it is written, whether it goes by its code alone.

    Once it does, it does in every rule. Raises ValidationError on `code` where another coupon is in the way.
    """
    if all(getattr(coupon, name) == coupon.stored(name) for name in ("code", "promotion_rule_id")):
        return
    code_norm = normalise_code(coupon.code or "")
    others = Coupon.objects.owned_by(coupon.tenant).exclude(pk=coupon.pk)
    rules = CouponCodesPromotionRule.objects.owned_by(coupon.tenant).filter(pk=coupon.promotion_rule_id)
    asked = (OF_RULE, Exists(others.filter(only_code=code_norm)), Exists(others.filter(code_norm=code_norm)))
    first, is_taken_alone, is_taken = rules.values_list(*asked).first() or (None, False, False)
    is_alone = coupon.only_code is not None or first is not None
    if is_taken_alone or (is_alone and is_taken):
        raise ValidationError({"code": ValidationError("has already been taken", code="taken")})
    coupon.only_code = code_norm if is_alone else None
