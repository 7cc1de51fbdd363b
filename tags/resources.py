from commerce.api import Resource, registry
from commerce.jsonapi.resource import Rel, Trigger
from commerce.resources.activity import EVENT_STORES
from promotions.models import PROMOTION_KINDS
from tags.models import Tag
from tags.tagging import add_tags, change_tags, remove_tags


@registry.register
class Tags(Resource):
    type = "tags"
    model = Tag
    attributes = ("name",)
    filterable = sortable = ("name",)
    relationships = (EVENT_STORES,)


# Of both in one request, removing comes first and makes room.
TRIGGERS = {
    "_remove_tags": Trigger(remove_tags, on=("update",), takes_text=True),
    "_add_tags": Trigger(add_tags, on=("update",), takes_text=True),
}

TAGGED: dict[str, tuple[str, ...]] = {
    name: (name,)
    for name in (
        *("coupons", "skus", "sku_options", "bundles", "customers", "addresses", "shipping_methods"),
        *("orders", "line_items", "line_item_options", "shipments", "gift_cards"),
    )
}
"""The many-to-many fields of Tag, and the types whose tags they hold."""
TAGGED["promotions"] = ("promotions", *(f"{kind}_promotions" for kind in PROMOTION_KINDS))

for field, types in TAGGED.items():
    registry.extend(types, Rel("tags", target="tags", inverse=field, change=change_tags), triggers=TRIGGERS)
