"""A small world in which every relationship of every type leads somewhere and no attribute is empty."""

from dataclasses import dataclass
from typing import Any

from commerce import ids
from commerce.api import registry
from commerce.models import Application, Event, Organization, Version
from commerce.resources.activity import event_store_id
from tags.tagging import ADD, change_tags
from tests import factories
from tests.factories import BY, NOW


@dataclass(frozen=True)
class World:
    """One row of every type."""

    rows: dict[str, Any]

    def id(self, type_name: str) -> str:
        row = self.rows[type_name]
        return event_store_id(row.pk, row.created_at) if type_name == "event_stores" else ids.encode(row.pk)

    def path(self, type_name: str) -> str:
        resource = registry[type_name]
        return resource.path if resource.singleton else f"{resource.path}/{self.id(type_name)}"

    def identifier(self, type_name: str) -> dict[str, str]:
        return {"type": type_name, "id": self.id(type_name)}


def world(owner: Organization, application: Application, mode: str = "test", number: int = 1) -> World:
    common = {"reference": f"ref-{number}", "reference_origin": f"erp-{number}", "metadata": {"number": number}}
    shared = {"priority": number, "total_usage_limit": number, "currency_code": "EUR", "disabled_at": NOW, **common}
    tag = factories.tag(owner, mode=mode, **common)
    percentage = factories.percentage_promotion(owner, mode=mode, **shared)
    fixed = factories.fixed_amount_promotion(owner, mode=mode, **shared)
    recipient = factories.recipient(owner, mode=mode, first_name="Ada", last_name="Lovelace", **common)
    for promotion in (fixed, percentage):
        amount = factories.order_amount_rule(promotion, **common)
        rule = factories.coupon_rule(promotion, **common)
        values = {"coupon_recipient": recipient, "usage_limit": number, "expires_at": NOW, **common}
        coupon = factories.coupon(rule, **values)
        for tagged in (promotion, coupon):
            change_tags(tagged, [tag], ADD, BY)
    for activity in (Event, Version):
        activity.objects.filter(resource_type="coupons", resource_id=coupon.pk).update(**common)
    of_coupon = {"resource_type": "coupons", "resource_id": coupon.pk}
    return World(
        {
            "tags": tag,
            "promotions": percentage,
            "percentage_discount_promotions": percentage,
            "fixed_amount_promotions": fixed,
            "promotion_rules": rule,
            "coupon_codes_promotion_rules": rule,
            "order_amount_promotion_rules": amount,
            "coupon_recipients": recipient,
            "coupons": coupon,
            "events": Event.objects.get(name="coupons.create", **of_coupon),
            "versions": Version.objects.get(event="create", **of_coupon),
            "event_stores": Version.objects.get(event="create", **of_coupon),
            "organizations": owner,
            "applications": application,
        }
    )
