from collections.abc import Callable
from functools import partial
from typing import Any

from django.db.models import (
    BigIntegerField,
    BooleanField,
    CharField,
    Count,
    DateTimeField,
    ExpressionWrapper,
    FloatField,
    OuterRef,
    Q,
    Subquery,
    Sum,
    Value,
)
from django.db.models.functions import Coalesce
from rest_framework import fields

from commerce import ids, order_lines, order_totals, orders, placing
from commerce.api import ApiView, IntegerField, Resource, registry
from commerce.changes import By
from commerce.jsonapi.attribute_filters import AnyTextFilter
from commerce.jsonapi.resource import Derived, Rel, Trigger
from commerce.jsonapi.views import Done
from commerce.models import LineItem, LineItemOption, Market, Order, ResourceError, Shipment
from commerce.money import MAX_CENTS, as_float, formatted
from commerce.resources.activity import EVENT_STORES, EVENTS, VERSIONS
from commerce.resources.amounts import money, told
from commerce.resources.customers import PASSWORD
from commerce.resources.triggers import already, asking, refuse, refusing

# --- Amounts --------------------------------------------------------------------------------------


def the_same(cents: int) -> int:
    return cents


def total_of(*amounts: int) -> int:
    return sum(amounts)


def total_as_float(currency_code: str, *amounts: int) -> float | None:
    return as_float(sum(amounts), currency_code)


def total_formatted(currency_code: str, *amounts: int) -> str | None:
    return formatted(sum(amounts), currency_code)


NONE = Value(0, output_field=BigIntegerField())
"""Taxes are not computed, and nothing is charged for services."""
CLOSED = Value("closed", output_field=CharField())
"""Of circuits that nothing opens: no service is called for what carries it."""


# --- Orders ---------------------------------------------------------------------------------------

AMOUNTS = (
    "subtotal_amount",
    "shipping_amount",
    "payment_method_amount",
    "discount_amount",
    "adjustment_amount",
    "gift_card_amount",
)
TAXES = (
    "total_tax_amount",
    "subtotal_tax_amount",
    "shipping_tax_amount",
    "payment_method_tax_amount",
    "adjustment_tax_amount",
)
TAXABLE = {
    "subtotal_taxable_amount": "subtotal_amount_cents",
    "shipping_taxable_amount": "shipping_amount_cents",
    "payment_method_taxable_amount": "payment_method_amount_cents",
    "adjustment_taxable_amount": "adjustment_amount_cents",
}
FEES = ("fees_amount", "duty_amount")
TIMES = (
    "placed_at",
    "approved_at",
    "cancelled_at",
    "payment_updated_at",
    "fulfillment_updated_at",
    "refreshed_at",
    "archived_at",
    "subscription_created_at",
)


def never() -> bool:
    return False


def none() -> int:
    return 0


def nothing() -> None:
    """Of what is not kept here."""


def either(gift_card_code: str | None, coupon_code: str | None) -> str | None:
    return gift_card_code or coupon_code


def checkout_url(url: str | None, key: int) -> str | None:
    """Where the market's checkout shows the order: `:order_id` in its URL is the order's id."""
    if not url:
        return None
    return url.replace(":order_id", ids.encode(key)) if ":order_id" in url else f"{url.rstrip('/')}/{ids.encode(key)}"


def _summed(model: Any, path: str, aggregate: Any, **conditions: Any) -> Coalesce:
    rows = model.objects.filter(**{path: OuterRef("pk")}, **conditions).order_by().values(path)
    return Coalesce(Subquery(rows.values(told=aggregate)), 0, output_field=BigIntegerField())


_NO_SOURCES = "is not possible: payments are recorded, and have no sources"
_NO_TAXES = "is not possible: taxes are not calculated"
UNSUPPORTED = {
    "_authorize": "is not possible: a payment is recorded when the order is placed",
    "_nullify_payment_source": _NO_SOURCES,
    "_fix_payment_source": _NO_SOURCES,
    "_save_payment_source_to_customer_wallet": _NO_SOURCES,
    "_update_taxes": _NO_TAXES,
    "_commit_invoice": _NO_TAXES,
    "_refund_invoice": _NO_TAXES,
    "_create_subscriptions": "is not possible: there are no subscriptions",
}
STEPS: dict[str, Callable[[Order, By], Any]] = {
    "_refresh_prices": order_lines.refresh_prices_and_totals,
    "_refresh": order_totals.refresh_if_editable,
    "_validate": order_totals.refresh_if_editable,
    "_pending": placing.to_pending,
    "_start_editing": placing.start_editing,
    "_stop_editing": placing.stop_editing,
    "_place": placing.place,
    "_approve": placing.approve,
    "_approve_and_capture": placing.approve_and_capture,
    "_capture": placing.capture,
    "_fulfill": placing.fulfill,
    "_refund": placing.refund,
    "_cancel": placing.cancel,
    "_archive": placing.archive,
    "_unarchive": placing.unarchive,
    "_save_shipping_address_to_customer_address_book": partial(orders.save_address_to_book, "shipping_address"),
    "_save_billing_address_to_customer_address_book": partial(orders.save_address_to_book, "billing_address"),
}
"""Several triggers of one request happen in this order."""


LONGEST_NUMBER = 240
"""So that those of shipments, which begin with it, are within their column."""


def text(longest: int = 255) -> fields.CharField:
    return fields.CharField(max_length=longest, required=False, allow_null=True, allow_blank=True)


class OrderView(ApiView):
    """A new order is sold in the market that the token is for, if that is one."""

    def new_row(self) -> Order:
        order: Order = super().new_row()
        self.order = order
        if self.caller.market_ids is not None and len(self.caller.market_ids) == 1:
            markets = Market.objects.owned_by(self.tenant).filter(disabled_at=None).select_related("price_list")
            order.market = markets.filter(pk__in=self.caller.market_ids).first()  # type: ignore[assignment]
        return order

    def locked(self, public_id: str) -> Order:
        order: Order = super().locked(public_id)
        order.organization = self.organization
        self.order = order
        return order

    def transacted(self, work: Callable[[], Done]) -> Done:
        done: Done = super().transacted(work)
        for _ in range(self.order.refused_codes if self.caller.is_shopper else 0):
            self.count_guess()
        return done

    def write(self, document: Any, *, creating: bool) -> Any:
        self.check_codes(document.attributes, ("coupon_code", "gift_card_code", "gift_card_or_coupon_code"))
        return super().write(document, creating=creating)


@registry.register
class Orders(Resource):
    """Without payment sources, taxes, subscriptions and returns, which are not kept here."""

    type = "orders"
    model = Order
    view_base = OrderView
    ordering = ("created_at", "pk")
    attributes = (
        *("number", "affiliate_code", "autorefresh", "place_async"),
        *("status", "payment_status", "fulfillment_status", "guest", "editable"),
        *("customer_email", "customer_type", "language_code", "currency_code", "tax_included", "tax_rate"),
        *("freight_taxable", "payment_method_taxable", "adjustment_taxable", "gift_card_taxable"),
        *("requires_billing_info", "country_code", "shipping_country_code_lock"),
        *("coupon_code", "gift_card_code", "gift_card_or_coupon_code"),
        *(each for name in (*AMOUNTS, *TAXES) for each in money(name)),
        *money("total_amount"),
        *money("total_taxable_amount"),
        *(each for name in TAXABLE for each in money(name)),
        *money("total_amount_with_taxes"),
        *(each for name in FEES for each in money(name)),
        *money("place_total_amount"),
        *("skus_count", "line_item_options_count", "shipments_count", "tax_calculations_count", "validations_count"),
        *("errors_count", "payment_source_details", "token"),
        *("cart_url", "return_url", "terms_url", "privacy_url", "checkout_url"),
        *TIMES,
        *("expires_at", "expiration_info", "circuit_state", "circuit_failure_count"),
    )
    read_only = (
        *("status", "payment_status", "fulfillment_status", "customer_type", "currency_code", "tax_included"),
        *("country_code", "token", "place_total_amount_cents", "total_amount_cents"),
        *(f"{name}_cents" for name in AMOUNTS),
        *TIMES,
    )
    annotations = {
        "editable": ExpressionWrapper(Q(status__in=Order.EDITABLE), output_field=BooleanField()),
        **{f"{name}_cents": NONE for name in (*TAXES, *FEES)},
        "tax_rate": Value(0.0, output_field=FloatField()),
        "subscription_created_at": Value(None, output_field=DateTimeField(null=True)),
        "circuit_state": CLOSED,
        "circuit_failure_count": NONE,
        "skus_count": _summed(
            LineItem, "order", Sum("quantity"), item_type__in=[LineItem.ItemType.SKUS, LineItem.ItemType.BUNDLES]
        ),
        "line_item_options_count": _summed(LineItemOption, "line_item__order", Count("pk")),
        "shipments_count": _summed(Shipment, "order", Count("pk")),
        "errors_count": _summed(ResourceError, "order", Count("pk")),
    }
    columns = {
        "requires_billing_info": Derived(never),
        "gift_card_or_coupon_code": Derived(either, "gift_card_code", "coupon_code"),
        **{
            each: derived
            for name in (*AMOUNTS, *TAXES, *FEES, "total_amount", "place_total_amount")
            for each, derived in told(name, f"{name}_cents", "currency_code").items()
        },
        **{f"{name}_cents": Derived(the_same, source) for name, source in TAXABLE.items()},
        **{
            each: derived
            for name, source in TAXABLE.items()
            for each, derived in told(name, source, "currency_code").items()
        },
        "total_taxable_amount_cents": Derived(total_of, *TAXABLE.values()),
        "total_taxable_amount_float": Derived(total_as_float, "currency_code", *TAXABLE.values()),
        "formatted_total_taxable_amount": Derived(total_formatted, "currency_code", *TAXABLE.values()),
        "total_amount_with_taxes_cents": Derived(the_same, "total_amount_cents"),
        **told("total_amount_with_taxes", "total_amount_cents", "currency_code"),
        "tax_calculations_count": Derived(none),
        "validations_count": Derived(none),
        "payment_source_details": Derived(nothing),
        "checkout_url": Derived(checkout_url, "market__checkout_url", "pk"),
    }
    filterable = (
        *("number", "affiliate_code", "place_async", "status", "payment_status", "fulfillment_status", "guest"),
        *("editable", "customer_email", "language_code", "currency_code", "tax_included", "tax_rate", "country_code"),
        *("coupon_code", "gift_card_code", *(f"{name}_cents" for name in AMOUNTS)),
        *("total_tax_amount_cents", "subtotal_tax_amount_cents", "total_amount_cents", "fees_amount_cents"),
        *("duty_amount_cents", "token", *TIMES, "expires_at", "circuit_state", "circuit_failure_count"),
    )
    sortable = tuple(name for name in filterable if name not in ("editable", "customer_email", "token"))
    filters = {"aggregated_details": AnyTextFilter("number", "customer_email", "reference", "coupon_code")}
    setters = {
        "number": orders.set_number,
        "customer_email": orders.set_customer_email,
        "customer_password": orders.set_customer_password,
        "_shipping_address_clone_id": partial(orders.clone_address_of, "shipping_address"),
        "_billing_address_clone_id": partial(orders.clone_address_of, "billing_address"),
        "_customer_payment_source_id": partial(refuse, "_customer_payment_source_id", _NO_SOURCES),
        "_authorization_amount_cents": partial(refuse, "_authorization_amount_cents", UNSUPPORTED["_authorize"]),
        "coupon_code": orders.set_coupon_code,
        "gift_card_code": orders.set_gift_card_code,
        "gift_card_or_coupon_code": orders.set_gift_card_or_coupon_code,
    }
    update_only = (
        *("_shipping_address_clone_id", "_billing_address_clone_id"),
        *("_customer_payment_source_id", "_authorization_amount_cents"),
    )
    serializer_fields = {
        "number": text(LONGEST_NUMBER),
        "customer_email": fields.EmailField(max_length=255, required=False, allow_null=True, allow_blank=True),
        "customer_password": PASSWORD,
        "_shipping_address_clone_id": text(),
        "_billing_address_clone_id": text(),
        "_customer_payment_source_id": text(),
        "_authorization_amount_cents": IntegerField(required=False),
        "coupon_code": text(),
        "gift_card_code": text(),
        "gift_card_or_coupon_code": text(),
    }
    triggers = {
        "_shipping_address_same_as_billing": Trigger(
            partial(orders.copy_address, "shipping_address", "billing_address"), on=("update",), sets="addresses"
        ),
        "_billing_address_same_as_shipping": Trigger(
            partial(orders.copy_address, "billing_address", "shipping_address"), on=("update",), sets="addresses"
        ),
        **{name: asking(step) for name, step in STEPS.items()},
        **refusing(**UNSUPPORTED),
        "_reset_circuit": Trigger(already, on=("update",)),
    }
    relationships = (
        Rel("market", sortable=True),
        Rel("customer", sortable=True, named_by="customer_email"),
        "shipping_address",
        "billing_address",
        "payment_method",
        Rel(
            "default_shipping_method",
            target="shipping_methods",
            inverse="default_of__orders",
            many=False,
            filterable=False,
        ),
        Rel(
            "default_payment_method",
            target="payment_methods",
            inverse="default_of__orders",
            many=False,
            filterable=False,
        ),
        Rel("available_payment_methods", target="payment_methods", inverse="market__orders", filterable=False),
        Rel("available_free_skus", target="skus", inverse="free_in_orders", filterable=False),
        Rel("available_free_bundles", target="bundles", inverse="free_in_orders", filterable=False),
        "line_items",
        Rel("line_item_options", target="line_item_options", inverse="line_item__order"),
        "shipments",
        "resource_errors",
        EVENTS,
        VERSIONS,
        EVENT_STORES,
    )
    absent_one = ("store", "payment_source", "discount_engine_item", "order_subscription")
    absent_many = (
        *("available_customer_payment_sources", "stock_reservations", "stock_line_items", "stock_transfers"),
        *("payment_options", "transactions", "authorizations", "captures", "voids", "refunds", "returns"),
        *("order_subscriptions", "order_factories", "order_copies", "recurring_order_copies", "attachments"),
        *("notifications", "links"),
    )

    def create(self, row: Order, by: By) -> None:
        orders.create(row, by)

    def update(self, row: Order, by: By) -> None:
        orders.update(row, by)

    def destroy(self, row: Order, by: By) -> None:
        orders.delete(row, by)


# --- Lines ----------------------------------------------------------------------------------------


class FlagField(fields.BooleanField):
    """Sent as 1 by some clients."""

    def __init__(self) -> None:
        super().__init__(required=False)


def _no_stock(name: str, line: LineItem, value: bool, by: By) -> None:
    if value:
        refuse(name, "is not possible: stock is not kept", line, value, by)


_LINE_AMOUNTS = ("unit_amount", "compare_at_amount", "options_amount", "discount", "total_amount", "tax_amount")


@registry.register
class LineItems(Resource):
    type = "line_items"
    model = LineItem
    ordering = ("created_at", "pk")
    guard = "order"
    read_along = ("order__organization", "order__market__price_list", "order__customer", "sku", "bundle")
    attributes = (
        *("sku_code", "bundle_code", "quantity", "_external_price", "currency_code"),
        *(each for name in _LINE_AMOUNTS for each in money(name)),
        *("name", "image_url", "discount_breakdown", "tax_rate", "tax_breakdown", "item_type", "frequency"),
        *("coupon_code", "rule_outcomes", "circuit_state", "circuit_failure_count"),
    )
    read_only = (
        *("currency_code", "discount_cents", "discount_breakdown", "total_amount_cents", "coupon_code"),
        *("rule_outcomes", "sku", "bundle", "adjustment", "gift_card", "shipment", "payment_method"),
    )
    create_only = ("order", "item", "item_type", "_update_quantity")
    update_only = ("options_amount_cents",)
    annotations = {
        "tax_amount_cents": NONE,
        "tax_rate": Value(0.0, output_field=FloatField()),
        "circuit_state": CLOSED,
        "circuit_failure_count": NONE,
    }
    columns = {
        "currency_code": "order__currency_code",
        "_external_price": "has_given_price",
        "tax_breakdown": Derived(dict),
        **{
            each: derived
            for name in _LINE_AMOUNTS
            for each, derived in told(name, f"{name}_cents", "order__currency_code").items()
        },
    }
    sortable = (
        *("currency_code", *(f"{name}_cents" for name in _LINE_AMOUNTS)),
        *("name", "item_type", "circuit_state", "circuit_failure_count"),
    )
    filterable = ("sku_code", "quantity", "image_url", *sortable)
    setters = {
        "sku_code": order_lines.set_sku_code,
        "bundle_code": order_lines.set_bundle_code,
        "unit_amount_cents": order_lines.set_unit_amount,
        "_external_price": order_lines.set_external_price,
        "_update_quantity": order_lines.set_adds_units,
        "_reserve_stock": partial(_no_stock, "_reserve_stock"),
        "_reset_restocked_quantity": partial(_no_stock, "_reset_restocked_quantity"),
    }
    serializer_fields = {
        "sku_code": text(),
        "bundle_code": text(),
        "unit_amount_cents": IntegerField(required=False, allow_null=True, min_value=0, max_value=MAX_CENTS),
        "_external_price": FlagField(),
        "_update_quantity": FlagField(),
        "_reserve_stock": FlagField(),
        "_reset_restocked_quantity": FlagField(),
    }
    triggers = {"_reset_circuit": Trigger(already, on=("update",))}
    relationships = (
        Rel("order", sortable=True),
        Rel(
            "item",
            type_column="item_type",
            accepts=("skus", "bundles", "gift_cards", "adjustments"),
            assign=LineItem.stand_for,
        ),
        "sku",
        "bundle",
        "adjustment",
        "gift_card",
        "shipment",
        "payment_method",
        "line_item_options",
        EVENTS,
        EVENT_STORES,
    )
    absent_many = (
        *("return_line_items", "shipment_line_items", "stock_reservations"),
        *("stock_line_items", "stock_transfers", "notifications"),
    )

    def create(self, row: LineItem, by: By) -> None:
        order_lines.add_line(row, by)

    def update(self, row: LineItem, by: By) -> None:
        order_lines.update_line(row, by)

    def destroy(self, row: LineItem, by: By) -> None:
        order_lines.delete_line(row, by)


@registry.register
class ResourceErrors(Resource):
    type = "resource_errors"
    model = ResourceError
    actions = ("list", "retrieve")
    attributes = ("name", "code", "message")
    sortable = ("name", "code")
    filterable = (*sortable, "message")
    relationships = (Rel("resource", field="order", filterable=False), EVENT_STORES)
