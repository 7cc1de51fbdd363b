"""What makes up an order besides its lines."""

from functools import partial

from django.db.models import BigIntegerField, ExpressionWrapper, F, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from commerce import order_parts, shipments
from commerce.api import IntegerField, Resource, registry
from commerce.changes import By
from commerce.jsonapi.resource import Rel, Trigger
from commerce.models import Adjustment, LineItem, LineItemOption, Shipment
from commerce.money import MAX_CENTS
from commerce.resources.activity import EVENT_STORES, EVENTS, VERSIONS
from commerce.resources.amounts import money, told
from commerce.resources.catalog import DELAY_IN_DAYS
from commerce.resources.triggers import refusing

# --- Adjustments ----------------------------------------------------------------------------------


@registry.register
class Adjustments(Resource):
    type = "adjustments"
    model = Adjustment
    attributes = (
        "name",
        "currency_code",
        *money("amount"),
        "distribute_discount",
    )
    columns = told("amount", "amount_cents", "currency_code")
    filterable = sortable = ("name", "currency_code", "amount_cents")
    relationships = (VERSIONS, EVENT_STORES)


# --- Options of lines -----------------------------------------------------------------------------

_CURRENCY = "line_item__order__currency_code"
_TOTAL = ExpressionWrapper(F("quantity") * F("unit_amount_cents"), output_field=BigIntegerField())


@registry.register
class LineItemOptions(Resource):
    type = "line_item_options"
    model = LineItemOption
    ordering = ("created_at", "pk")
    guard = "line_item__order"
    attributes = (
        "name",
        "quantity",
        "currency_code",
        *money("unit_amount"),
        *money("total_amount"),
        "delay_hours",
        "delay_days",
        "options",
    )
    required = ("options",)
    read_only = ("currency_code", "delay_hours")
    create_only = ("line_item",)
    annotations = {"delay_days": DELAY_IN_DAYS, "total_amount_cents": _TOTAL}
    columns = {
        "currency_code": _CURRENCY,
        **told("unit_amount", "unit_amount_cents", _CURRENCY),
        **told("total_amount", "total_amount_cents", _CURRENCY),
    }
    sortable = ("name", "quantity", "currency_code", "unit_amount_cents", "delay_hours")
    filterable = (*sortable, "delay_days")
    setters = {"unit_amount_cents": order_parts.set_unit_amount}
    serializer_fields = {
        "unit_amount_cents": IntegerField(required=False, allow_null=True, min_value=0, max_value=MAX_CENTS)
    }
    relationships = (
        Rel("line_item", sortable=True),
        Rel("sku_option", sortable=True),
        EVENTS,
        EVENT_STORES,
    )

    def create(self, row: LineItemOption, by: By) -> None:
        order_parts.create_option(row, by)

    def update(self, row: LineItemOption, by: By) -> None:
        order_parts.save_option(row, by)

    def destroy(self, row: LineItemOption, by: By) -> None:
        order_parts.delete_option(row, by)


# --- Shipments ------------------------------------------------------------------------------------

_UNITS = (
    LineItem.objects.filter(in_shipment=OuterRef("pk")).order_by().values("in_shipment").values(told=Sum("quantity"))
)
_NO_STOCK = "is not possible: stock is not kept"
_NO_RATES = "is not possible: carriers are not asked"
_TIMES = ("on_hold_at", "picking_at", "packing_at", "ready_to_ship_at", "shipped_at", "delivered_at")


@registry.register
class Shipments(Resource):
    type = "shipments"
    model = Shipment
    ordering = ("created_at", "number")
    guard = "order"
    attributes = (
        "number",
        "status",
        "currency_code",
        *money("cost_amount"),
        "skus_count",
        *_TIMES,
    )
    read_only = ("status", "currency_code", "cost_amount_cents", *_TIMES, "stock_location")
    create_only = ("order",)
    update_only = ("number",)
    annotations = {"skus_count": Coalesce(Subquery(_UNITS), 0, output_field=BigIntegerField())}
    columns = {
        "currency_code": "order__currency_code",
        **told("cost_amount", "cost_amount_cents", "order__currency_code"),
    }
    filterable = sortable = ("number", "status", "cost_amount_cents", *_TIMES)
    triggers = {
        **{
            f"_{step}": Trigger(partial(shipments.take_step, step), on=("update",), sets="status")
            for step in Shipment.STEPS
        },
        **refusing(
            _reserve_stock=_NO_STOCK,
            _release_stock=_NO_STOCK,
            _decrement_stock=_NO_STOCK,
            _get_rates=_NO_RATES,
            _purchase=_NO_RATES,
        ),
    }
    relationships = (
        Rel("order", sortable=True),
        Rel("shipping_category", sortable=True),
        Rel("stock_location", sortable=True),
        Rel("origin_address", target="addresses", inverse="stock_locations__shipments", many=False),
        "shipping_address",
        Rel("shipping_method", sortable=True),
        Rel("available_shipping_methods", target="shipping_methods", inverse="available_for", filterable=False),
        Rel("line_items", target="line_items", inverse="in_shipment", filterable=False),
        EVENTS,
        VERSIONS,
        EVENT_STORES,
    )
    absent_one = ("inventory_stock_location", "delivery_lead_time", "pickup")
    absent_many = (
        *("shipment_line_items", "stock_line_items", "stock_transfers"),
        *("carrier_accounts", "parcels", "attachments"),
    )

    def create(self, row: Shipment, by: By) -> None:
        order_parts.create_shipment(row, by)

    def update(self, row: Shipment, by: By) -> None:
        order_parts.save_shipment(row, by)

    def destroy(self, row: Shipment, by: By) -> None:
        order_parts.delete_shipment(row, by)
