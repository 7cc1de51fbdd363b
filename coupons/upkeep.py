"""Coupons, their rules and their promotions kept in step: counted, never orphaned, never public by accident.

Every function runs inside `changes.atomic()`. Writers lock coupons, then rules, then promotions in order of their key.
A rule changes its promotion under the locks of both, so whoever holds its promotion's lock finds it where it stays.
"""

from collections.abc import Collection

from django.db.models import Exists, OuterRef

from commerce import changes, people
from commerce.errors import Forbidden, Locked, NotUnique
from commerce.jsonapi.writing import ADD, REMOVE, REPLACE
from commerce.models import OwnedQuerySet
from coupons import customer_usages, only_codes
from coupons.models import Coupon, CouponRecipient, Use
from promotions.models import CouponCodesPromotionRule, Promotion, PromotionRule

# --- Coupons --------------------------------------------------------------------------------------


def create_coupon(coupon: Coupon, by: changes.By) -> None:
    only_codes.settle(coupon)
    changes.create(coupon, by)
    _count_coupons(coupon.promotion_rule.promotion_id, 1)


def update_coupon(coupon: Coupon, by: changes.By) -> None:
    """Saves the coupon; one that changed its rule is counted by its new promotion, and missed by the old one."""
    only_codes.settle(coupon)
    former, new = coupon.stored("promotion_rule_id"), coupon.promotion_rule_id
    if former == new:
        _save_coupon(coupon, by)
        return
    promotions = _locked_promotions_of(former, new)
    _check_balances(promotions[former], promotions[new], Coupon.objects.filter(pk=coupon.pk))
    _save_coupon(coupon, by)
    _move_count(promotions[former], promotions[new], 1, by)


def _save_coupon(coupon: Coupon, by: changes.By) -> None:
    """One that changed whether each customer may use it once is counted by customers from then on, or no more."""
    is_counted_anew = coupon.customer_single_use != coupon.stored("customer_single_use")
    changes.save(coupon, by)
    if is_counted_anew:
        customer_usages.recount("coupon", [coupon.pk])


def delete_coupon(coupon: Coupon, by: changes.By) -> None:
    """What was redeemed stays, also when the use was given back: an order tells of it."""
    if coupon.usage_count or coupon.uses.exists():
        raise Locked("The coupon has been redeemed.")
    (promotion,) = _locked_promotions_of(coupon.promotion_rule_id).values()
    changes.delete(coupon, by)
    _count_coupons(promotion.pk, -1)
    _disable_without_coupons(promotion, by)


def delete_coupons(rule: CouponCodesPromotionRule, coupons: OwnedQuerySet, by: changes.By) -> None:
    """Deletes coupons of the rule, however many, or none where one of them was ever used. The rule tells of it."""
    count = coupons.count()
    deleted = changes.delete_all(coupons.filter(~Exists(Use.objects.filter(coupon=OuterRef("pk"))), usage_count=0))
    if deleted < count:
        raise Locked("A coupon has been redeemed; none was deleted.")
    (promotion,) = _locked_promotions_of(rule.pk).values()
    _count_coupons(promotion.pk, -deleted)
    changes.touch(rule, "update", {"coupons_count": [promotion.coupons_count, promotion.coupons_count - deleted]}, by)
    _disable_without_coupons(promotion, by)


def set_recipient_email(coupon: Coupon, email: str | None, by: changes.By) -> None:
    """The recipient with that address, made when there is none; no address, no recipient."""
    coupon.coupon_recipient = people.find_or_create(CouponRecipient, coupon, email, by) if email else None


# --- Rules ----------------------------------------------------------------------------------------


def adopt_coupons(rule: CouponCodesPromotionRule, coupons: list[Coupon], how: str, by: changes.By) -> None:
    """Moves coupons to the rule. None can leave it this way: a coupon always has a rule."""
    held = Coupon.objects.owned_by(rule.tenant).filter(promotion_rule=rule)
    given = [coupon.pk for coupon in coupons]
    leaving = {ADD: held.none(), REMOVE: held.filter(pk__in=given), REPLACE: held.exclude(pk__in=given)}[how]
    if leaving.exists():
        raise Forbidden("A coupon cannot be left without a promotion rule; move or delete it instead.")
    for coupon in coupons if how != REMOVE else ():
        coupon.promotion_rule = rule
        update_coupon(coupon, by)


def update_rule(rule: PromotionRule, by: changes.By) -> None:
    """Saves the rule; one that changed its promotion takes the count of its coupons along."""
    former, new = rule.stored("promotion_id"), rule.promotion_id
    if former == new or rule.kind != CouponCodesPromotionRule.KIND:
        changes.save(rule, by)
        return
    promotions = _locked_promotions({former, new})
    held = Coupon.objects.owned_by(rule.tenant).filter(promotion_rule_id=rule.pk)
    _check_balances(promotions[former], promotions[new], held)
    changes.save(rule, by)
    _move_count(promotions[former], promotions[new], held.count(), by)


def delete_coupon_rule(rule: CouponCodesPromotionRule, by: changes.By) -> None:
    (promotion,) = _locked_promotions({rule.promotion_id}).values()
    if Coupon.objects.owned_by(rule.tenant).filter(promotion_rule=rule).exists():
        raise Locked("The rule has coupons.")
    changes.delete(rule, by)
    _disable(promotion, by)


def adopt_rule(kind: str, promotion: Promotion, rules: list[PromotionRule], how: str, by: changes.By) -> None:
    """Moves a rule of that kind to the promotion. None can leave it this way: a rule always has a promotion."""
    held = PromotionRule.objects.owned_by(promotion.tenant).filter(promotion_id=promotion.pk, kind=kind)
    if not rules and held.exists():
        raise Forbidden("A rule cannot be left without a promotion; delete it instead.")
    for rule in rules:
        if rule.promotion_id != promotion.pk:
            rule.promotion = promotion
            update_rule(rule, by)


# --- Promotions -----------------------------------------------------------------------------------


def update_promotion(promotion: Promotion, by: changes.By) -> None:
    """Saves the promotion; one that has a limit per customer since then is counted by customers from then on."""
    limits = (promotion.customer_usage_limit, promotion.stored("customer_usage_limit"))
    changes.save(promotion, by)
    if None in limits and limits != (None, None):
        customer_usages.recount("promotion", [promotion.pk])


def delete_promotion(promotion: Promotion, by: changes.By) -> None:
    """Takes rules and coupons along, however many, unless one of them was ever used."""
    rules = PromotionRule.objects.owned_by(promotion.tenant).filter(promotion_id=promotion.pk)
    locked = list(rules.select_for_update().order_by("pk"))
    coupons = Coupon.objects.owned_by(promotion.tenant).filter(promotion_rule_id__in=[rule.pk for rule in locked])
    is_counted = promotion.total_usage_count or coupons.filter(usage_count__gt=0).exists()
    if is_counted or promotion.uses.exists() or Use.objects.filter(coupon__in=coupons).exists():
        raise Locked("The promotion has been redeemed.")
    for rule in locked:
        if rule.kind == CouponCodesPromotionRule.KIND:
            deleted = changes.delete_all(coupons)
            changes.record(rule, "update", {"coupons_count": [deleted, 0]}, by)
        changes.delete(rule, by)
    changes.delete(promotion, by)


def _count_coupons(promotion_id: int, difference: int) -> None:
    changes.count(Promotion, promotion_id, coupons_count=difference)


def _move_count(former: Promotion, new: Promotion, coupons: int, by: changes.By) -> None:
    if former == new:
        return
    _count_coupons(former.pk, -coupons)
    _count_coupons(new.pk, coupons)
    _disable_without_coupons(former, by)


def _check_balances(former: Promotion, new: Promotion, coupons: OwnedQuerySet) -> None:
    """What was used of a balance that declines is told by a ledger, of anything else by none."""
    is_another = former.declining_balance != new.declining_balance
    if is_another and Use.objects.filter(coupon__in=coupons).exists():
        raise Forbidden("The coupon was used, and what is left of one is counted by one of the two promotions only.")


def _locked_promotions_of(*rules: int) -> dict[int, Promotion]:
    """The promotion of each rule, by the rule's key."""
    homes = _homes(rules)
    promotions = _locked_promotions(homes.values())
    if _homes(rules) != homes:
        raise NotUnique("A promotion rule changed its promotion at the same time; nothing was written.")
    return {rule: promotions[home] for rule, home in homes.items()}


def _homes(rules: Collection[int]) -> dict[int, int]:
    return dict(PromotionRule.objects.filter(pk__in=rules).values_list("pk", "promotion_id"))


def _locked_promotions(keys: Collection[int]) -> dict[int, Promotion]:
    rows = Promotion.objects.filter(pk__in=keys).order_by("pk").select_for_update(no_key=True)
    return {promotion.pk: promotion for promotion in rows}


def _disable_without_coupons(promotion: Promotion, by: changes.By) -> None:
    """Clients remove the empty coupon rule next, which would open the promotion to everybody."""
    if not Promotion.objects.filter(pk=promotion.pk, coupons_count__gt=0).exists():
        _disable(promotion, by)


def _disable(promotion: Promotion, by: changes.By) -> None:
    promotion.disable(by.now)
    changes.save(promotion, by)
