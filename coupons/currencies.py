"""The currency of what coupons take off: balances and used amounts are told in it, so it stays once they are used."""

from commerce.models.records import invalid
from coupons.models import Coupon, Use
from promotions.models import Promotion


def check_kept(promotion: Promotion) -> None:
    """Raises ValidationError where the promotion gets another currency after it, or a coupon of it, was ever used."""
    if promotion.currency_code == promotion.stored("currency_code"):
        return
    coupons = Coupon.objects.owned_by(promotion.tenant).filter(promotion_rule__promotion=promotion)
    is_counted = promotion.total_usage_count or coupons.filter(usage_count__gt=0).exists()
    if is_counted or promotion.uses.exists() or Use.objects.filter(coupon__in=coupons).exists():
        raise invalid("currency_code", "can't be changed: coupons were used")
