from django.db import models

from commerce.models.amounts import cents_field
from commerce.models.catalog import ShippingCategory
from commerce.models.customers import Address
from commerce.models.fulfilment import ShippingMethod, StockLocation
from commerce.models.owned import Owned
from commerce.models.records import Unguessable


class Shipment(Unguessable, Owned):
    """What of an order is sent together: the units of one shipping category, by one method."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        UPCOMING = "upcoming"
        CANCELLED = "cancelled"
        ON_HOLD = "on_hold"
        PICKING = "picking"
        PACKING = "packing"
        READY_TO_SHIP = "ready_to_ship"
        SHIPPED = "shipped"
        DELIVERED = "delivered"

    wire_type = "shipments"

    order = models.ForeignKey("commerce.Order", on_delete=models.PROTECT, related_name="shipments")
    number = models.CharField(max_length=255, blank=True)
    status = models.CharField(max_length=13, choices=Status, default=Status.DRAFT, editable=False)
    cost_amount_cents = cents_field(editable=False)
    """None until a shipping method is chosen."""
    shipping_category = models.ForeignKey(
        ShippingCategory, on_delete=models.PROTECT, null=True, blank=True, related_name="shipments"
    )
    shipping_method = models.ForeignKey(
        ShippingMethod, on_delete=models.PROTECT, null=True, blank=True, related_name="shipments"
    )
    shipping_address = models.ForeignKey(Address, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    stock_location = models.ForeignKey(
        StockLocation, on_delete=models.PROTECT, null=True, blank=True, related_name="shipments"
    )
    on_hold_at = models.DateTimeField(null=True, editable=False)
    picking_at = models.DateTimeField(null=True, editable=False)
    packing_at = models.DateTimeField(null=True, editable=False)
    ready_to_ship_at = models.DateTimeField(null=True, editable=False)
    shipped_at = models.DateTimeField(null=True, editable=False)
    delivered_at = models.DateTimeField(null=True, editable=False)

    unversioned = Owned.unversioned
    taken = {"shipment_number": "number"}

    class Meta:
        indexes = [models.Index(fields=["organization", "mode", "id"], name="shipment_tenant")]
        constraints = [models.UniqueConstraint(fields=["organization", "mode", "number"], name="shipment_number")]

    def __str__(self) -> str:
        return f"#{self.number}"
