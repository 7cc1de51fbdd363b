"""A coupon and its promotion changed as one: defined anew until it is redeemed, ended early even then.

Every function runs inside `changes.atomic()`.
"""

from datetime import datetime

from commerce import changes
from commerce.errors import Forbidden, NotUnique
from commerce.models.records import invalid
from coupons import upkeep
from coupons.models import Coupon
from promotions.models import Promotion
from promotions.restrictions import compiled


def locked(coupon: Coupon) -> Coupon:
    """The coupon with its promotion, both as they are now and stay until the end of the transaction."""
    row = Coupon.objects.owned_by(coupon.tenant).select_for_update(no_key=True).filter(pk=coupon.pk).first()
    if row is None:
        raise NotUnique("The coupon was deleted by another request at the same time.")
    row.promotion_rule.promotion = Promotion.objects.select_for_update(no_key=True).get(
        pk=row.promotion_rule.promotion_id
    )
    return row


def redefine(coupon: Coupon, by: changes.By) -> bool:
    """Saves a locked coupon and its promotion, which are one; whether anything is another than before.

    Raises Forbidden once it was redeemed, where other coupons open the promotion too and where that is archived.
    """
    promotion = coupon.promotion_rule.promotion
    _check_unarchived(promotion)
    if coupon.usage_count or coupon.uses.exists():
        raise Forbidden("The coupon has been redeemed.")
    if promotion.coupons_count > 1:
        raise Forbidden("Other coupons open the same promotion.")
    _check_paid_by(promotion)
    is_changed = bool(changes.changed_fields(coupon) or changes.changed_fields(promotion))
    upkeep.update_coupon(coupon, by)
    upkeep.update_promotion(promotion, by)
    return is_changed


def _check_unarchived(promotion: Promotion) -> None:
    if promotion.archived_at:
        raise Forbidden("The promotion is archived.")


def _check_paid_by(promotion: Promotion) -> None:
    former = compiled(promotion.stored("restrictions")).paid_by
    if former is not None and compiled(promotion.restrictions).paid_by != former:
        raise invalid("restrictions", "must keep the time until which orders are paid")


def expire(coupon: Coupon, at: datetime, by: changes.By) -> bool:
    """Ends a locked coupon at that instant, redeemed or not; whether it ended at another before.

    Raises Forbidden for one that has expired and where its promotion is archived.
    """
    promotion = coupon.promotion_rule.promotion
    _check_unarchived(promotion)
    end = min(coupon.expires_at or promotion.expires_at, promotion.expires_at)
    if end <= by.now:
        raise Forbidden("The coupon has expired.")
    if at == end:
        return False
    if at <= promotion.starts_at:
        raise invalid("expires_at", "must be after the start")
    if at > promotion.expires_at:
        raise invalid("expires_at", "must not be after the end of the promotion")
    coupon.expires_at = at
    upkeep.update_coupon(coupon, by)
    return True
