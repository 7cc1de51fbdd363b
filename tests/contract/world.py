"""A small world in which every relationship of every type leads somewhere and no attribute is empty."""

from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

from commerce import changes, ids, ledger
from commerce.api import registry
from commerce.models import Application, Event, LedgerEntry, Organization, ShippingZone, Version
from commerce.resources.activity import event_store_id
from promotions.models import Promotion
from tags.models import Tag
from tags.tagging import ADD, change_tags
from tests import factories
from tests.factories import BY, NOW

_numbers = count(1)


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
    tag = factories.tag(owner, mode=mode, **common)
    catalog = _catalog(owner, mode, number, tag)
    recipient = factories.recipient(
        owner, mode=mode, first_name="Ada", last_name="Lovelace", customer=catalog["customers"], **common
    )
    promotions = _promotions(owner, mode, number, catalog)
    rules = {kind: _rules(promotion, catalog, common) for kind, promotion in promotions.items()}
    values = {"coupon_recipient": recipient, "usage_limit": number, "expires_at": NOW, "applies_to_count": 1, **common}
    coupons = {kind: factories.coupon(rules[kind]["coupon_codes"], **values) for kind in promotions}
    for tagged in (*promotions.values(), *coupons.values()):
        change_tags(tagged, [tag], ADD, BY)
    coupon = coupons["percentage_discount"]
    for activity in (Event, Version):
        activity.objects.filter(resource_type="coupons", resource_id=coupon.pk).update(**common)
    of_coupon = {"resource_type": "coupons", "resource_id": coupon.pk}
    ordered = _order(owner, mode, number, catalog, tag)
    redemption = factories.redemption(
        owner,
        *[(promotion, coupons[kind]) for kind, promotion in promotions.items()],
        order=ordered["orders"],
        customer=catalog["customers"],
        customer_email="ada@example.com",
        customer_reference=f"C-{number}",
        evaluation={"number": number},
        restrictions=[{"type": "orders", "names": [str(number)]}],
        discounts_limit=number,
        discounts_count=number,
        reserved_until=NOW + timedelta(days=number),
        committed_at=NOW,
        released_at=NOW,
        mode=mode,
        **common,
    )
    return World(
        {
            **catalog,
            **ordered,
            "redemptions": redemption,
            **{promotion.wire_type: promotion for promotion in promotions.values()},
            **{rule.wire_type: rule for rule in rules["percentage_discount"].values()},
            "tags": tag,
            "promotions": promotions["percentage_discount"],
            "promotion_rules": rules["percentage_discount"]["coupon_codes"],
            "coupon_recipients": recipient,
            "coupons": coupon,
            "events": Event.objects.get(name="coupons.create", **of_coupon),
            "versions": Version.objects.get(event="create", **of_coupon),
            "event_stores": Version.objects.get(event="create", **of_coupon),
            "organizations": owner,
            "applications": application,
        }
    )


def _promotions(owner: Organization, mode: str, number: int, catalog: dict[str, Any]) -> dict[str, Any]:
    """One of every kind."""
    common = {"reference": f"ref-{number}", "reference_origin": f"erp-{number}", "metadata": {"number": number}}
    limits = ("total_usage_limit", "customer_usage_limit", "discounts_per_redemption")
    told = {"description": "Told", "note": "Noted", **dict.fromkeys(limits, number)}
    own = {"mode": mode, "priority": number, "disabled_at": NOW, **told, **common}
    scope = {"market": catalog["markets"], "sku_list": catalog["sku_lists"], "currency_code": "EUR"}
    return {
        kind: factory(owner, **own, **({} if kind == "flex" else scope))
        for kind, factory in factories.PROMOTIONS.items()
    }


def _rules(promotion: Promotion, catalog: dict[str, Any], common: dict[str, Any]) -> dict[str, Any]:
    """One of every kind that the promotion may have."""
    rules = {"coupon_codes": factories.coupon_rule(promotion, **common)}
    if promotion.kind == "flex":
        return rules
    listed = {"sku_list": catalog["sku_lists"], "min_quantity": 2}
    return {
        "order_amount": factories.order_amount_rule(promotion, **common),
        "sku_list": factories.sku_list_rule(promotion, **listed, **common),
        "custom": factories.custom_rule(promotion, **common),
        **rules,
    }


def _order(owner: Organization, mode: str, number: int, catalog: dict[str, Any], tag: Tag) -> dict[str, Any]:
    """A pending order that has been through everything, with one line that stands for all that a line may stand for."""
    common = {"reference": f"ref-{number}", "reference_origin": f"erp-{number}", "metadata": {"number": number}}
    own = {"mode": mode, **common}
    sku, bundle, method = catalog["skus"], catalog["bundles"], catalog["payment_methods"]
    recipient = factories.gift_card_recipient(
        owner, first_name="Ada", last_name="Lovelace", customer=catalog["customers"], **own
    )
    card = factories.gift_card(
        owner,
        gift_card_recipient=recipient,
        market=catalog["markets"],
        balance_max_cents=20_000 + number,
        image_url="https://example.com/card.png",
        expires_at=NOW + timedelta(days=number),
        **own,
    )
    urls = {name: f"https://example.com/{name}" for name in ("cart_url", "return_url", "terms_url", "privacy_url")}
    times = ("placed_at", "approved_at", "cancelled_at", "payment_updated_at", "fulfillment_updated_at", "refreshed_at")
    order = factories.order(
        owner,
        status="pending",
        market=catalog["markets"],
        customer=catalog["customers"],
        shipping_address=catalog["addresses"],
        billing_address=catalog["addresses"],
        payment_method=method,
        gift_card=card,
        gift_card_code=card.code,
        coupon_code=f"CODE-{number}",
        customer_type="new",
        affiliate_code=f"affiliate-{number}",
        shipping_country_code_lock="IT",
        place_total_amount_cents=number,
        expires_at=NOW,
        archived_at=NOW,
        expiration_info={"number": number},
        **dict.fromkeys(times, NOW),
        **urls,
        **own,
    )
    ledger.enter(card, LedgerEntry.Kind.USE, -number, BY, order)
    order.available_free_skus.add(sku)
    order.available_free_bundles.add(bundle)
    shipment = factories.shipment(
        order,
        status="delivered",
        cost_amount_cents=700,
        shipping_category=catalog["shipping_categories"],
        shipping_method=catalog["shipping_methods"],
        shipping_address=catalog["addresses"],
        **{
            f"{status}_at": NOW for status in ("on_hold", "picking", "packing", "ready_to_ship", "shipped", "delivered")
        },
        **common,
    )
    shipment.available_shipping_methods.add(catalog["shipping_methods"])
    line = factories.line_item(
        order,
        sku,
        bundle=bundle,
        bundle_code=bundle.code,
        gift_card=card,
        shipment=shipment,
        in_shipment=shipment,
        payment_method=method,
        adjustment=catalog["adjustments"],
        name=sku.name,
        image_url="https://example.com/a.png",
        compare_at_amount_cents=1200,
        discount_breakdown={"number": number},
        frequency="monthly",
        coupon_code=f"CODE-{number}",
        rule_outcomes=[number],
        **common,
    )
    option = factories.line_item_option(line, sku_option=catalog["sku_options"], **common)
    error = factories.resource_error(order, **common)
    for tagged in (order, line, option, shipment, card):
        change_tags(tagged, [tag], ADD, BY)
    return {
        "orders": order,
        "line_items": line,
        "line_item_options": option,
        "shipments": shipment,
        "resource_errors": error,
        "gift_cards": card,
        "gift_card_recipients": recipient,
    }


def _catalog(owner: Organization, mode: str, number: int, tag: Tag) -> dict[str, Any]:
    common = {"reference": f"ref-{number}", "reference_origin": f"erp-{number}", "metadata": {"number": number}}
    own = {"mode": mode, **common}
    named = {"code": f"{mode}-{next(_numbers)}", **own}
    told = {"description": "Told", "image_url": "https://example.com/a.png"}
    rules = {"rules": {"number": number}, "resource_payload": {"number": number}}
    secret = {"external_prices_url": "https://example.com/prices", "disabled_at": NOW}
    address = factories.address(
        owner,
        **own,
        company="Acme",
        line_2="B",
        state_code="MO",
        email="ada@example.com",
        notes="Ring twice",
        lat=44.5 + number,
        lng=10.25 + number,
        provider_name="bing",
        map_url="https://example.com/map",
        static_map_url="https://example.com/static",
        billing_info="IT123",
    )
    merchant = factories.merchant(owner, address=address, **own)
    prices = factories.price_list(owner, **named, **rules)
    group = factories.customer_group(owner, **named)
    market = factories.market(
        owner,
        merchant=merchant,
        price_list=prices,
        customer_group=group,
        facebook_pixel_id="pixel",
        checkout_url="https://example.com/checkout",
        external_order_validation_url="https://example.com/orders",
        shipping_cost_cutoff=number,
        **secret,
        **named,
    )
    category = factories.shipping_category(owner, **named)
    patterns = dict.fromkeys(ShippingZone.PATTERNS, "^A")
    zone = factories.shipping_zone(owner, **own, **patterns)
    location = factories.stock_location(owner, address=address, **named)
    shipping = factories.shipping_method(
        owner,
        market=market,
        shipping_zone=zone,
        shipping_category=category,
        stock_location=location,
        free_over_amount_cents=5000,
        min_weight=1,
        max_weight=20.5,
        unit_of_weight="gr",
        tax_code="FR",
        **secret,
        **own,
    )
    gateway = factories.manual_gateway(owner, disabled_at=NOW, **own)
    payment = factories.payment_method(
        owner,
        market=market,
        payment_gateway=gateway,
        auto_capture_max_amount_cents=9000,
        disabled_at=NOW,
        **own,
    )
    market.default_shipping_method, market.default_payment_method = shipping, payment
    changes.save(market, BY)
    customer = factories.customer(
        owner,
        customer_group=group,
        tax_exemption_code="EX",
        anonymization_requested_at=NOW,
        total_orders_count=number,
        **own,
    )
    listed = factories.customer_address(customer, address=address, **common)
    sku = factories.sku(
        owner,
        shipping_category=category,
        pieces_per_pack=6,
        weight=12.5,
        unit_of_weight="gr",
        hs_tariff_number="12",
        **told,
        **named,
    )
    price = factories.price(sku, prices, compare_at_amount_cents=1200, processed_at=NOW, **common, **rules)
    volume = factories.price_volume_tier(price, **common)
    frequency = factories.price_frequency_tier(price, **common)
    sku_list = factories.sku_list(owner, customer=customer, **told, **own)
    item = factories.sku_list_item(sku_list, sku, price_amount_cents=900, **common)
    option = factories.sku_option(owner, market=market, description="Told", sku_code_regex="^A", **own)
    adjustment = factories.adjustment(owner, **own)
    bundle = factories.bundle(sku_list, market=market, compare_at_amount_cents=6000, **told, **common)
    for tagged in (sku, option, bundle, customer, address, shipping):
        change_tags(tagged, [tag], ADD, BY)
    return {
        "addresses": address,
        "merchants": merchant,
        "price_lists": prices,
        "markets": market,
        "customer_groups": group,
        "customers": customer,
        "customer_addresses": listed,
        "shipping_categories": category,
        "shipping_zones": zone,
        "stock_locations": location,
        "shipping_methods": shipping,
        "manual_gateways": gateway,
        "payment_methods": payment,
        "skus": sku,
        "sku_options": option,
        "adjustments": adjustment,
        "prices": price,
        "price_tiers": volume,
        "price_volume_tiers": volume,
        "price_frequency_tiers": frequency,
        "sku_lists": sku_list,
        "sku_list_items": item,
        "bundles": bundle,
    }
