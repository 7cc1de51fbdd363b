"""A cart as clients send it, in an evaluation or to be redeemed: read, completed from the catalog, or refused."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from django.db import connection
from rest_framework import fields, serializers

from commerce import customers, ids, permissions
from commerce.api import IntegerField
from commerce.countries import validate_country_code
from commerce.jsonapi import parser
from commerce.jsonapi.errors import ApiError, Problem, invalid, nested_problems
from commerce.jsonapi.prepared import Instances, Parameter, like
from commerce.models import Bundle, Customer, Market, Sku, Tenant, normalise_email
from commerce.models.orders import MOST_UNITS
from commerce.money import MAX_CENTS, validate_currency_code
from commerce.permissions import ANY_TENANT, Reach
from commerce.prices import UnitPrice, unit_prices
from promotions.carts import Cart, CartLine, CartShipment

MOST_LINES = 500
MOST_SHIPMENTS = 100
MOST_CODES = 25
LONGEST_CODE = 255
LONGEST_EMAIL = 255
ATTRIBUTES = "/data/attributes"

# --- The form -------------------------------------------------------------------------------------


def number(least: int, most: int, **options: Any) -> IntegerField:
    said: dict[str, Any] = {
        "min_value": f"must be greater than or equal to {least}",
        "max_value": f"must be less than or equal to {most}",
    }
    return IntegerField(min_value=least, max_value=most, error_messages=said, **options)


def cents(**options: Any) -> IntegerField:
    return number(0, MAX_CENTS, **options)


def text(**options: Any) -> fields.CharField:
    said: dict[str, Any] = {
        "invalid": "must be text",
        "max_length": f"is too long (maximum is {LONGEST_CODE} characters)",
    }
    return fields.CharField(max_length=LONGEST_CODE, error_messages=said, **options)


def listed(child: fields.Field, most: int, **options: Any) -> fields.ListField:
    said: dict[str, Any] = {"not_a_list": "must be an array", "max_length": f"is too long (maximum is {most} elements)"}
    return fields.ListField(child=child, max_length=most, error_messages=said, **options)


def an_object() -> fields.DictField:
    return fields.DictField(default=dict, error_messages={"not_a_dict": "must be an object"})


class Strict(serializers.Serializer):
    """Refuses members it does not know, for a misspelt one would change the price without a word."""

    default_error_messages = {"invalid": "must be an object"}

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = {str(name): "is not allowed" for name in data if name not in self.fields}
            if unknown:
                raise serializers.ValidationError(unknown, code="not_allowed")
        return super().to_internal_value(data)


class LineSerializer(Strict):
    """One of `sku_code`, `bundle_code` and `code`, the latter of something that is sold elsewhere."""

    sku_code = text(required=False)
    bundle_code = text(required=False)
    code = text(required=False)
    product = text(required=False, allow_null=True)
    quantity = number(1, MOST_UNITS, default=1)
    unit_amount_cents = cents(required=False, allow_null=True)
    options_amount_cents = cents(default=0)
    metadata = an_object()

    def validate(self, line: Any) -> Any:
        if sum(name in line for name in ("sku_code", "bundle_code", "code")) != 1:
            raise serializers.ValidationError(
                {"sku_code": "or bundle_code or code must be given, and only one of them"}, code="blank"
            )
        if "code" in line and line.get("unit_amount_cents") is None:
            raise serializers.ValidationError({"unit_amount_cents": "can't be blank"}, code="blank")
        return line


class ShipmentSerializer(Strict):
    """`line_items` are places in the list of lines, all of them when left out."""

    cost_amount_cents = cents()
    line_items = listed(number(0, MOST_LINES - 1), MOST_LINES, required=False)


class CartSerializer(Strict):
    """What order, customer and subscription are called elsewhere counts for promotions that are restricted to them."""

    currency_code = fields.CharField(required=False, validators=[validate_currency_code])
    market_code = text(required=False)
    customer_email = fields.EmailField(required=False, allow_null=True, max_length=LONGEST_EMAIL)
    customer_reference = text(required=False, allow_null=True)
    country_code = fields.CharField(required=False, allow_null=True, validators=[validate_country_code])
    reference = text(required=False, allow_null=True)
    subscription = text(required=False, allow_null=True)
    coupon_code = text(required=False, allow_null=True, allow_blank=True)
    coupon_codes = listed(text(), MOST_CODES, default=list)
    line_items = listed(LineSerializer(), MOST_LINES, default=list)
    shipments = listed(ShipmentSerializer(), MOST_SHIPMENTS, default=list)
    metadata = an_object()

    def validate(self, cart: Any) -> Any:
        places = range(len(cart["line_items"]))
        for shipment in cart["shipments"]:
            if any(place not in places for place in shipment.get("line_items", ())):
                raise serializers.ValidationError({"shipments": "name a line that is not there"}, code="invalid")
        return cart


# --- The reading ----------------------------------------------------------------------------------


class CodesSerializer(Strict):
    """Codes to be tried on an order that has all the rest."""

    coupon_code = text(required=False, allow_null=True, allow_blank=True)
    coupon_codes = listed(text(), MOST_CODES, required=False)


def codes_of(document: parser.ResourceDocument) -> tuple[str, ...] | None:
    """The codes of a document that holds nothing else; None where it holds none. Raises ApiError."""
    given = checked(CodesSerializer, document)
    return _codes(given) if given else None


def _codes(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Those of the list come before the single one."""
    single = given.get("coupon_code")
    return (*given.get("coupon_codes", ()), *([single] if single else ()))


def checked(form: type[Strict], document: parser.ResourceDocument) -> Any:
    """The attributes as the form understands them. Raises ApiError with all that is wrong."""
    try:
        return _bound(form).run_validation(document.attributes)
    except serializers.ValidationError as cause:
        raise ApiError(nested_problems(ATTRIBUTES, cause.detail)) from None


_AS_GIVEN = ("customer_email", "customer_reference", "country_code", "reference", "subscription")


class CartReader:
    """From the document to a Cart: what it names is found within the tenant, and what it leaves out is completed."""

    def __init__(
        self,
        document: parser.ResourceDocument,
        reach: Reach,
        markets: tuple[int, ...] | None = None,
        form: type[CartSerializer] = CartSerializer,
    ) -> None:
        """`reach` is what the caller reaches, `markets` the keys of those its token is for, or None for all."""
        self.form = form
        self.document = document
        self.reach = reach
        self.tenant = Tenant(reach.organization_id, reach.mode)
        self.markets = markets
        self.problems: list[Problem] = []

    def read(self) -> Cart:
        """Raises ApiError with all that is wrong."""
        ignored = permissions.ignored(self.reach, self.document.type)
        self.given = {name: value for name, value in checked(self.form, self.document).items() if name not in ignored}
        self._check_relationships()
        self.market = self._market()
        self.currency_code = self._currency_code()
        cart = Cart(
            tenant=self.tenant,
            currency_code=self.currency_code,
            market=self.market,
            customer=self._customer(),
            **{name: self.given.get(name) for name in _AS_GIVEN},
            lines=tuple(self._lines()),
            shipments=tuple(self._shipments()),
            coupon_codes=_codes(self.given),
            metadata=self.given["metadata"],
        )
        self._check_total(cart)
        if self.problems:
            raise ApiError(self.problems)
        return cart

    def _check_relationships(self) -> None:
        for name, linkage in self.document.relationships.items():
            pointer = parser.pointer_to("relationships", name)
            if name != "market":
                self._refuse(pointer, name, "is not allowed", "not_allowed")
            elif linkage is not None and getattr(linkage, "type", None) != "markets":
                self._refuse(pointer, name, "must be a market", "invalid")
        if self.problems:
            raise ApiError(self.problems)

    def _market(self) -> Market | None:
        """The one named, or else the only one that the token is for."""
        linkage = self.document.relationships.get("market")
        if isinstance(linkage, parser.Identifier):
            named = self._open_markets().filter(pk=ids.decode(linkage.id) or 0)
            return self._found(named, "/data/relationships/market", "market")
        if wanted := self.given.get("market_code"):
            named = self._open_markets().filter(code=wanted)
            return self._found(named, f"{ATTRIBUTES}/market_code", "market_code")
        if self.markets is None:
            return None
        if len(self.markets) > 1:
            self._refuse("/data/relationships/market", "market", "must be named: the token is for several", "blank")
        return self._open_markets().first()

    def _open_markets(self) -> Any:
        """Those that are reached and that the token is for."""
        markets: Any = Market.objects.owned_by(self.tenant).filter(disabled_at=None).select_related("price_list")
        markets = permissions.within(self.reach, "markets", markets)
        return markets if self.markets is None else markets.filter(pk__in=self.markets)

    def _found(self, rows: Any, pointer: str, name: str) -> Any:
        row = rows.first()
        if row is None:
            self._refuse(pointer, name, "must exist", "invalid")
        return row

    def _currency_code(self) -> str:
        given: str = self.given.get("currency_code", "")
        if self.market is None:
            if not given and not self.problems:
                self._refuse(f"{ATTRIBUTES}/currency_code", "currency_code", "can't be blank without market", "blank")
            return given
        inherited = self.market.price_list.currency_code
        if given not in ("", inherited):
            self._refuse(f"{ATTRIBUTES}/currency_code", "currency_code", "is not that of the market", "invalid")
        return inherited

    def _customer(self) -> Customer | None:
        """By the e-mail address, or else by what the customer is called."""
        if email := self.given.get("customer_email"):
            found = _with_email(connection.vendor).load({**self.tenant._asdict(), "email": normalise_email(email)})
            if found:
                return found[0]
        name = self.given.get("customer_reference")
        return customers.called(self.tenant, name) if name else None

    def _lines(self) -> Iterator[CartLine]:
        lines = self.given["line_items"]
        skus = self._skus({line["sku_code"] for line in lines if "sku_code" in line})
        bundles = self._bundles({line["bundle_code"] for line in lines if "bundle_code" in line})
        prices = self._prices(lines, skus)
        for place, line in enumerate(lines):
            sku, bundle = skus.get(line.get("sku_code")), bundles.get(line.get("bundle_code"))
            price = prices.get(sku.pk) if sku else None
            self._check_item(place, line, sku or bundle)
            yield CartLine(
                id=place,
                item_type="bundles" if "bundle_code" in line else "skus",
                code=line.get("sku_code") or line.get("bundle_code") or line["code"],
                product=line.get("product"),
                quantity=line["quantity"],
                unit_amount_cents=self._unit_amount(place, line, price, bundle),
                options_amount_cents=line["options_amount_cents"],
                compare_at_amount_cents=price.compare_at_amount_cents if price else None,
                sku=sku,
                bundle=bundle,
                metadata=line["metadata"],
            )

    def _check_item(self, place: int, line: Mapping[str, Any], item: Sku | Bundle | None) -> None:
        if item is None and "code" not in line:
            name = "bundle_code" if "bundle_code" in line else "sku_code"
            self._refuse(f"{ATTRIBUTES}/line_items/{place}/{name}", name, "must exist", "invalid")

    def _unit_amount(self, place: int, line: Mapping[str, Any], price: UnitPrice | None, bundle: Bundle | None) -> int:
        """The amount sent, or else that of the price list or of the bundle."""
        amount: int | None = line.get("unit_amount_cents")
        if amount is None:
            amount = price.amount_cents if price else bundle.price_amount_cents if bundle else None
        if amount is None and not self.problems:
            pointer = f"{ATTRIBUTES}/line_items/{place}/unit_amount_cents"
            self._refuse(pointer, "unit_amount_cents", "can't be blank where no price is found", "blank")
        return amount or 0

    def _skus(self, codes: set[str]) -> dict[str | None, Sku]:
        """Code -> the SKU, of those that are reached."""
        if not codes:
            return {}
        asked = {**self.reach._asdict(), "codes": list(codes)}
        return {sku.code: sku for sku in _with_codes(connection.vendor, like(self.reach)).load(asked)}

    def _bundles(self, codes: set[str]) -> dict[str | None, Bundle]:
        """Code -> the bundle, of those that are reached."""
        if not codes:
            return {}
        sold: Any = Bundle.objects.owned_by(self.tenant).sold_in(self.market, self.currency_code)
        return {row.code: row for row in permissions.within(self.reach, "bundles", sold).filter(code__in=codes)}

    def _prices(self, lines: list[dict[str, Any]], skus: Mapping[str | None, Sku]) -> Mapping[int, Any]:
        quantities: dict[int, int] = {}
        for line in lines:
            sku = skus.get(line.get("sku_code"))
            if sku and line.get("unit_amount_cents") is None:
                quantities[sku.pk] = quantities.get(sku.pk, 0) + line["quantity"]
        return unit_prices(self.market.price_list, quantities) if self.market and quantities else {}

    def _shipments(self) -> Iterator[CartShipment]:
        for place, shipment in enumerate(self.given["shipments"]):
            lines = frozenset(shipment["line_items"]) if "line_items" in shipment else None
            yield CartShipment(id=place, cost_amount_cents=shipment["cost_amount_cents"], lines=lines)

    def _check_total(self, cart: Cart) -> None:
        total = sum(line.quantity * line.unit_amount_cents + line.options_amount_cents for line in cart.lines)
        if total + sum(shipment.cost_amount_cents for shipment in cart.shipments) > MAX_CENTS:
            self._refuse("/data", "", f"comes to more than {MAX_CENTS} cents", "less_than_or_equal_to")

    def _refuse(self, pointer: str, name: str, message: str, key: str) -> None:
        self.problems.append(invalid(pointer, name, message, key))


@lru_cache
def _bound(form: type[Strict]) -> Strict:
    """One for all requests: what its fields keep does not depend on what they are given."""
    return form()


@lru_cache(maxsize=16)
def _with_codes(vendor: str, reach: Reach) -> Instances:
    skus = permissions.within(reach, "skus", Sku.objects.owned_by(reach))
    return Instances(skus.filter(code__among=Parameter("codes")))


@lru_cache
def _with_email(vendor: str) -> Instances:
    customers = Customer.objects.owned_by(ANY_TENANT).select_related("customer_group")
    return Instances(customers.filter(email_norm=Parameter("email")).order_by("pk")[:1])
