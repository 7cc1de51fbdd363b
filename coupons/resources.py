from functools import partial

from rest_framework.fields import EmailField

from commerce.api import Resource, registry
from commerce.codes import normalise_code
from commerce.jsonapi.attribute_filters import NormalisedFilter
from commerce.jsonapi.resource import Derived, Rel
from commerce.resources.activity import EVENT_STORES, EVENTS, VERSIONS
from coupons import upkeep
from coupons.models import Coupon, CouponRecipient, balance
from promotions.models import PROMOTION_KINDS, PROMOTION_RULE_KINDS


@registry.register
class Coupons(Resource):
    type = "coupons"
    model = Coupon
    attributes = (
        *("code", "customer_single_use", "usage_limit", "usage_count", "recipient_email", "expires_at"),
        *("applies_to_count", "used_amount_cents", "balance_cents"),
    )
    read_only = ("usage_count", "used_amount_cents")
    columns = {
        "recipient_email": "coupon_recipient__email",
        "balance_cents": Derived(
            balance,
            "used_amount_cents",
            *(f"promotion_rule__promotion__{name}" for name in ("declining_balance", "fixed_amount_cents")),
        ),
    }
    filterable = sortable = ("code", "customer_single_use", "usage_limit", "usage_count", "expires_at")
    filters = {"code": NormalisedFilter("code_norm", normalise_code)}
    relationships = ("promotion_rule", Rel("coupon_recipient", sortable=True), EVENTS, VERSIONS, EVENT_STORES)
    setters = {"recipient_email": upkeep.set_recipient_email}
    serializer_fields = {"recipient_email": EmailField(max_length=255, required=False, allow_null=True)}


@registry.register
class CouponRecipients(Resource):
    type = "coupon_recipients"
    model = CouponRecipient
    attributes = ("email", "first_name", "last_name")
    filterable = ("email", "first_name", "last_name")
    sortable = ("email",)
    relationships = (Rel("customer", sortable=True), VERSIONS, EVENT_STORES)
    absent_many = ("attachments",)


PROMOTION_TYPES = tuple(f"{kind}_promotions" for kind in PROMOTION_KINDS)
TYPES_WITH_RULES = tuple(name for name in PROMOTION_TYPES if name != "flex_promotions")
RULES = {
    kind: Rel(
        f"{kind}_promotion_rule",
        target=f"{kind}_promotion_rules",
        inverse="promotion_id",
        many=False,
        change=partial(upkeep.adopt_rule, kind),
    )
    for kind in PROMOTION_RULE_KINDS
}

registry.extend(("coupons",), create=upkeep.create_coupon, update=upkeep.update_coupon, destroy=upkeep.delete_coupon)
registry.extend(
    ("coupon_codes_promotion_rules",),
    Rel("coupons", target="coupons", inverse="promotion_rule_id", change=upkeep.adopt_coupons),
    update=upkeep.update_rule,
    destroy=upkeep.delete_coupon_rule,
)
registry.extend(("promotions", *TYPES_WITH_RULES), *RULES.values())
registry.extend(("flex_promotions",), RULES["coupon_codes"])
registry.extend(
    ("promotions", *PROMOTION_TYPES), Rel("coupons", target="coupons", inverse="promotion_rule__promotion_id")
)
registry.extend(PROMOTION_TYPES, update=upkeep.update_promotion, destroy=upkeep.delete_promotion)
