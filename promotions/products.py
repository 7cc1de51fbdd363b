"""SKUs that are attached to a promotion one by one: the items of a manual list that is the promotion's alone.

With SKUs attached it is for them alone; without any it is for the order. Every function runs inside `changes.atomic()`,
with the lock of the promotion held.
"""

from django.db.models import Min

from commerce import changes
from commerce.models import Sku, SkuList, SkuListItem
from commerce.models.records import invalid
from promotions.models import FixedPricePromotion, Promotion


def attach(
    promotion: Promotion, sku: Sku, by: changes.By, *, max_per_coupon: int = 0, price_amount_cents: int | None = None
) -> SkuListItem:
    """Puts the SKU on top, also one that is attached already. Raises ValidationError where the list is not its own."""
    own = _own_list(promotion) or _new_list(promotion, by)
    top = own.sku_list_items.exclude(sku=sku).aggregate(top=Min("position"))["top"]
    item = own.sku_list_items.filter(sku=sku).first() or SkuListItem(sku_list=own, sku=sku, **own.tenant._asdict())
    item.position = 1 if top is None else top - 1
    item.max_per_coupon, item.price_amount_cents = max_per_coupon, price_amount_cents
    if item.pk is None:
        changes.create(item, by)
    else:
        changes.save(item, by)
    return item


def detach(promotion: Promotion, sku: Sku, by: changes.By) -> bool:
    """Whether it was attached. Raises ValidationError where the list is not the promotion's own."""
    own = _own_list(promotion)
    item = own.sku_list_items.filter(sku=sku).first() if own else None
    if own is None or item is None:
        return False
    changes.delete(item, by)
    if not own.sku_list_items.exists():
        _set_list(promotion, None, by)
        changes.delete(own, by)
    return True


def _own_list(promotion: Promotion) -> SkuList | None:
    own = promotion.sku_list
    if own is None:
        return None
    others = own.promotions.exclude(pk=promotion.pk)
    if not own.manual or own.customer_id or any(rows.exists() for rows in (others, own.promotion_rules, own.bundles)):
        raise invalid("products", "are those of a SKU list that is not this promotion's alone")
    return own


def _new_list(promotion: Promotion, by: changes.By) -> SkuList:
    own = SkuList(name=promotion.name, **promotion.tenant._asdict())
    changes.create(own, by)
    _set_list(promotion, own, by)
    return own


def _set_list(promotion: Promotion, sku_list: SkuList | None, by: changes.By) -> None:
    promotion.sku_list = sku_list
    if promotion.kind == FixedPricePromotion.KIND:
        promotion.whole_order = sku_list is None
    changes.save(promotion, by)
