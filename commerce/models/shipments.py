from collections.abc import Mapping
from datetime import datetime
from itertools import count
from typing import Any, ClassVar, NamedTuple

from django.db import models

from commerce.models.amounts import cents_field
from commerce.models.catalog import ShippingCategory
from commerce.models.customers import Address
from commerce.models.fulfilment import ShippingMethod, StockLocation
from commerce.models.owned import Owned
from commerce.models.records import Unguessable, invalid


class Step(NamedTuple):
    """Where it leads, and from where."""

    status: str
    possible_from: tuple[str, ...]


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

    WAITING = (Status.DRAFT, Status.UPCOMING, Status.ON_HOLD)
    """Nobody has laid hands on it."""
    PREPARED = (Status.UPCOMING, Status.ON_HOLD, Status.PICKING, Status.PACKING, Status.READY_TO_SHIP)
    STEPS: ClassVar[Mapping[str, Step]] = {
        "upcoming": Step(Status.UPCOMING, (Status.DRAFT,)),
        "on_hold": Step(Status.ON_HOLD, (Status.UPCOMING, Status.PICKING, Status.PACKING, Status.READY_TO_SHIP)),
        "picking": Step(Status.PICKING, (Status.UPCOMING, Status.ON_HOLD, Status.PACKING)),
        "packing": Step(Status.PACKING, (Status.PICKING, Status.ON_HOLD, Status.READY_TO_SHIP)),
        "ready_to_ship": Step(Status.READY_TO_SHIP, (Status.PACKING, Status.ON_HOLD)),
        "ship": Step(Status.SHIPPED, (Status.READY_TO_SHIP,)),
        "deliver": Step(Status.DELIVERED, (Status.SHIPPED,)),
        "cancel": Step(Status.CANCELLED, (Status.DRAFT, *PREPARED)),
    }
    """Name of a step, that of its trigger and its event -> the step."""

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
    available_shipping_methods: Any = models.ManyToManyField(ShippingMethod, related_name="available_for")
    stock_location = models.ForeignKey(
        StockLocation, on_delete=models.PROTECT, null=True, blank=True, related_name="shipments"
    )
    on_hold_at = models.DateTimeField(null=True, editable=False)
    picking_at = models.DateTimeField(null=True, editable=False)
    packing_at = models.DateTimeField(null=True, editable=False)
    ready_to_ship_at = models.DateTimeField(null=True, editable=False)
    shipped_at = models.DateTimeField(null=True, editable=False)
    delivered_at = models.DateTimeField(null=True, editable=False)

    parts = ("cost_line_items",)
    unversioned = Owned.unversioned | {"cost_amount_cents"}
    taken = {"shipment_number": "number"}

    class Meta:
        indexes = [models.Index(fields=["organization", "mode", "id"], name="shipment_tenant")]
        constraints = [models.UniqueConstraint(fields=["organization", "mode", "number"], name="shipment_number")]

    def __str__(self) -> str:
        return f"#{self.number}"

    @property
    def is_under_way(self) -> bool:
        return self.status not in self.WAITING

    def clean(self) -> None:
        """Without a number it gets the next one of its order; it leaves from where its method does."""
        if not self.number and self.order_id is not None:
            self.number = self._next_number()
        if self.shipping_method_id != self.stored("shipping_method_id"):
            self.stock_location_id = self.shipping_method.stock_location_id if self.shipping_method else None

    def _next_number(self) -> str:
        taken = set(Shipment.objects.filter(order=self.order_id).values_list("number", flat=True))
        numbers = (f"{self.order.number}/S/{place:03}" for place in count(1))
        return next(number for number in numbers if number not in taken)

    def take_step(self, step: str, now: datetime) -> None:
        """Raises ValidationError where the status does not allow it, or the order was not placed."""
        status, possible_from = self.STEPS[step]
        if self.status not in possible_from:
            raise invalid(f"_{step}", f"is not possible: the shipment is {self.status}")
        if step != "cancel" and not self.order.was_placed:
            raise invalid(f"_{step}", f"is not possible: the order is {self.order.status}")
        self.status = status
        if hasattr(self, f"{status}_at"):
            setattr(self, f"{status}_at", now)
