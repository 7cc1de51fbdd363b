"""Coupons, their rules and their promotions kept in step: counted, never orphaned, never public by accident.

Every function runs inside `changes.atomic()`. The coupon rule, then the promotion, is what writers lock.
"""

from commerce import changes
from commerce.errors import Forbidden, Locked
from commerce.jsonapi.writing import REMOVE, REPLACE
from coupons.models import Coupon, CouponRecipient, normalise_email
from promotions.models import CouponCodesPromotionRule, Promotion, PromotionRule

# --- Coupons --------------------------------------------------------------------------------------


def create_coupon(coupon: Coupon, by: changes.By) -> None:
    changes.create(coupon, by)
    count_coupons(coupon.promotion_rule.promotion_id, 1)


def update_coupon(coupon: Coupon, by: changes.By) -> None:
    """Saves the coupon; one that changed its rule is counted by its new promotion, and missed by the old one."""
    former_rule = coupon.stored("promotion_rule_id")
    changes.save(coupon, by)
    if former_rule == coupon.promotion_rule_id:
        return
    former = PromotionRule.objects.get(pk=former_rule).promotion_id
    move_count(former, coupon.promotion_rule.promotion_id, 1, by)


def delete_coupon(coupon: Coupon, by: changes.By) -> None:
    if coupon.usage_count:
        raise Locked("The coupon has been redeemed.")
    promotion = _locked_promotion(coupon.promotion_rule.promotion_id)
    changes.delete(coupon, by)
    count_coupons(promotion.pk, -1)
    _disable_without_coupons(promotion, by)


def set_recipient_email(coupon: Coupon, email: str | None, by: changes.By) -> None:
    """The recipient with that address, made when there is none; no address, no recipient."""
    coupon.coupon_recipient = find_or_create_recipient(coupon, email, by) if email else None


def find_or_create_recipient(coupon: Coupon, email: str, by: changes.By) -> CouponRecipient:
    known = CouponRecipient.objects.owned_by(coupon.tenant).filter(email_norm=normalise_email(email))
    recipient = known.select_for_update(no_key=True).order_by("pk").first()
    if recipient is None:
        recipient = CouponRecipient(organization_id=coupon.organization_id, mode=coupon.mode, email=email)
        changes.create(recipient, by)
    return recipient


def delete_recipient(recipient: CouponRecipient, by: changes.By) -> None:
    if Coupon.objects.owned_by(recipient.tenant).filter(coupon_recipient=recipient).exists():
        raise Locked("The recipient has coupons.")
    changes.delete(recipient, by)


# --- Rules ----------------------------------------------------------------------------------------


def adopt_coupons(rule: CouponCodesPromotionRule, coupons: list[Coupon], how: str, by: changes.By) -> None:
    """Moves coupons to the rule. None can leave it this way: a coupon always has a rule."""
    others = (
        Coupon.objects.owned_by(rule.tenant).filter(promotion_rule=rule).exclude(pk__in=[row.pk for row in coupons])
    )
    if (how == REMOVE and coupons) or (how == REPLACE and others.exists()):
        raise Forbidden("A coupon cannot be left without a promotion rule; move or delete it instead.")
    for coupon in coupons:
        coupon.promotion_rule = rule
        update_coupon(coupon, by)


def update_rule(rule: PromotionRule, by: changes.By) -> None:
    """Saves the rule; one that changed its promotion takes the count of its coupons along."""
    former = rule.stored("promotion_id")
    changes.save(rule, by)
    if former != rule.promotion_id and rule.kind == CouponCodesPromotionRule.KIND:
        held = Coupon.objects.owned_by(rule.tenant).filter(promotion_rule_id=rule.pk).count()
        move_count(former, rule.promotion_id, held, by)


def delete_coupon_rule(rule: CouponCodesPromotionRule, by: changes.By) -> None:
    promotion = _locked_promotion(rule.promotion_id)
    if Coupon.objects.owned_by(rule.tenant).filter(promotion_rule=rule).exists():
        raise Locked("The rule has coupons.")
    changes.delete(rule, by)
    _disable(promotion, by)


def adopt_rule(promotion: Promotion, rules: list[PromotionRule], how: str, by: changes.By) -> None:
    """Moves a rule to the promotion. None can leave it this way: a rule always has a promotion."""
    if not rules:
        raise Forbidden("A rule cannot be left without a promotion; delete it instead.")
    for rule in rules:
        if rule.promotion_id != promotion.pk:
            rule.promotion = promotion
            update_rule(rule, by)


# --- Promotions -----------------------------------------------------------------------------------


def delete_promotion(promotion: Promotion, by: changes.By) -> None:
    """Takes rules and coupons along, however many, unless one of them was used."""
    rules = PromotionRule.objects.owned_by(promotion.tenant).filter(promotion_id=promotion.pk)
    locked = list(rules.select_for_update().order_by("pk"))
    coupons = Coupon.objects.owned_by(promotion.tenant).filter(promotion_rule_id__in=[rule.pk for rule in locked])
    if promotion.total_usage_count or coupons.filter(usage_count__gt=0).exists():
        raise Locked("The promotion has been redeemed.")
    for rule in locked:
        if rule.kind == CouponCodesPromotionRule.KIND:
            deleted = changes.delete_all(coupons)
            changes.record(rule, "update", {"coupons_count": [deleted, 0]}, by)
        changes.delete(rule, by)
    changes.delete(promotion, by)


def count_coupons(promotion_id: int, difference: int) -> None:
    changes.count(Promotion.objects.filter(pk=promotion_id), coupons_count=difference)


def move_count(former: int, promotion_id: int, coupons: int, by: changes.By) -> None:
    """Both counters in order of their key, so that two movers never wait for each other."""
    if former == promotion_id:
        return
    for key, difference in sorted([(former, -coupons), (promotion_id, coupons)]):
        count_coupons(key, difference)
    _disable_without_coupons(_locked_promotion(former), by)


def _locked_promotion(key: int) -> Promotion:
    return Promotion.objects.select_for_update().get(pk=key)


def _disable_without_coupons(promotion: Promotion, by: changes.By) -> None:
    """Clients remove the empty coupon rule next, which would open the promotion to everybody."""
    if not Promotion.objects.filter(pk=promotion.pk, coupons_count__gt=0).exists():
        _disable(promotion, by)


def _disable(promotion: Promotion, by: changes.By) -> None:
    promotion.disable(by.now)
    changes.save(promotion, by)
