from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models

from commerce.models import (
    Address,
    Bundle,
    Customer,
    GiftCard,
    LineItem,
    LineItemOption,
    Order,
    Owned,
    Shipment,
    ShippingMethod,
    Sku,
    SkuOption,
)
from coupons.models import Coupon
from promotions.models import Promotion


class Tag(Owned):
    """A name that resources can be found by."""

    wire_type = "tags"

    name = models.CharField(max_length=255, validators=[RegexValidator(r"^[0-9A-Za-z_-]+\Z", "is invalid")])
    # A constraint would be asked a million times when a promotion goes with its coupons; writers lock both ends.
    coupons = models.ManyToManyField(Coupon, related_name="tags", blank=True, db_constraint=False)
    promotions = models.ManyToManyField(Promotion, related_name="tags", blank=True)
    skus: Any = models.ManyToManyField(Sku, related_name="tags", blank=True)
    bundles: Any = models.ManyToManyField(Bundle, related_name="tags", blank=True)
    customers: Any = models.ManyToManyField(Customer, related_name="tags", blank=True)
    addresses: Any = models.ManyToManyField(Address, related_name="tags", blank=True)
    shipping_methods: Any = models.ManyToManyField(ShippingMethod, related_name="tags", blank=True)
    sku_options: Any = models.ManyToManyField(SkuOption, related_name="tags", blank=True)
    orders: Any = models.ManyToManyField(Order, related_name="tags", blank=True)
    line_items: Any = models.ManyToManyField(LineItem, related_name="tags", blank=True)
    line_item_options: Any = models.ManyToManyField(LineItemOption, related_name="tags", blank=True)
    shipments: Any = models.ManyToManyField(Shipment, related_name="tags", blank=True)
    gift_cards: Any = models.ManyToManyField(GiftCard, related_name="tags", blank=True)

    taken = {"tag_name": "name"}

    class Meta:
        indexes = [models.Index(fields=["organization", "mode", "id"], name="tag_tenant")]
        constraints = [models.UniqueConstraint(fields=["organization", "mode", "name"], name="tag_name")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        longest = self.organization.setting("tags_max_name_length")
        if self.name != self.stored("name") and len(self.name) > longest:
            raise ValidationError(
                {
                    "name": ValidationError(
                        f"is too long (maximum is {longest} characters)", "too_long", {"count": longest}
                    )
                }
            )
