"""The public contract as this project serves it: names, types and flags, kept apart from the declarations they prove.

Attribute: `name=type:flags`. Flags: c creatable, u updatable, r readable, f filterable, s sortable, ! required,
0 empty in the world, - refused, whatever is given.
Relationship: `name=kind:target:flags`, with - for one that cannot be included, * for one that may lead to other types.
Trigger: `name=type:flags`, with - for one that is refused whenever it fires.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Attribute:
    type: str
    flags: str


@dataclass(frozen=True)
class Relationship:
    many: bool
    target: str
    flags: str


@dataclass(frozen=True)
class Entry:
    actions: frozenset[str]
    attributes: dict[str, Attribute]
    relationships: dict[str, Relationship] = field(default_factory=dict)
    triggers: dict[str, Attribute] = field(default_factory=dict)
    scopes: frozenset[str] = frozenset()
    path: str = ""
    has_own_form: bool = False
    """Whether it is created from a document of its own kind."""
    sti: bool = False
    """Whether `type` can be filtered, sorted and asked for as a field; nothing renders it."""

    def flagged(self, flag: str) -> list[str]:
        return [name for name, attribute in self.attributes.items() if flag in attribute.flags]


def entry(
    actions: str, attributes: str, relationships: str = "", triggers: str = "", scopes: str = "", **options: object
) -> Entry:
    return Entry(
        frozenset(actions.split()),
        _attributes(f"{attributes} {COMMON}"),
        {name: Relationship(kind == "many", target, flags) for name, kind, target, flags in _parts(relationships, 3)},
        _attributes(triggers),
        frozenset(scopes.split()),
        **options,  # type: ignore[arg-type]
    )


def absent(many: str, one: str = "") -> dict[str, list[Any] | None]:
    return {**{name: [] for name in many.split()}, **dict.fromkeys(one.split())}


def _attributes(text: str) -> dict[str, Attribute]:
    return {name: Attribute(of_type, flags) for name, of_type, flags in _parts(text, 2)}


def _parts(text: str, number: int) -> list[list[str]]:
    pairs = [word.partition("=") for word in text.split()]
    return [[name, *rest.split(":", number - 1)] for name, _, rest in pairs]


def amounts(flags: str, *names: str) -> str:
    """Of each name the cents, with these flags, and the two attributes that follow from them."""
    return " ".join(f"{name}_cents=integer:{flags} {name}_float=float:r formatted_{name}=string:r" for name in names)


COMMON = """
    created_at=datetime:rfs updated_at=datetime:rfs
    reference=string:curfs reference_origin=string:curfs metadata=object:curf
"""
STORED = "event_stores=many:event_stores:-"
VERSIONED = f"versions=many:versions: {STORED}"
EVERYTHING = "list retrieve create update destroy"
TAGGABLE = "_add_tags=text:u _remove_tags=text:u"

# Beyond the contract: `release_on_cancel` and what stands after it, and `redemptions` with all that leads to them.
PROMOTION = """
    name=string:curfs! currency_code=string:curfs exclusive=boolean:curfs priority=integer:curfs
    starts_at=datetime:curfs! expires_at=datetime:curfs!
    total_usage_limit=integer:curfs total_usage_count=integer:rfs total_usage_reached=boolean:rfs
    active=boolean:r status=string:r weight=integer:r coupons_count=integer:r disabled_at=datetime:rfs
    release_on_cancel=boolean:cur description=string:cur note=string:cur exclusive_by_size=boolean:cur
    customer_usage_limit=integer:cur discounts_per_redemption=integer:cur restrictions=array:cur
"""
FIXED_AMOUNT = "fixed_amount_cents=integer:cur! fixed_amount_float=float:r formatted_fixed_amount=string:r"
PROMOTION_RELATIONSHIPS = f"""
    market=one:markets:cufs promotion_rules=many:promotion_rules:f
    order_amount_promotion_rule=one:order_amount_promotion_rules:cuf
    sku_list_promotion_rule=one:sku_list_promotion_rules:cuf
    coupon_codes_promotion_rule=one:coupon_codes_promotion_rules:cuf
    custom_promotion_rule=one:custom_promotion_rules:cuf
    sku_list=one:sku_lists:cufs
    coupons=many:coupons:f redemptions=many:redemptions:f events=many:events:f tags=many:tags:cuf {VERSIONED}
"""
OF_LISTED = f"{PROMOTION_RELATIONSHIPS} skus=many:skus:"
DISABLING = "_disable=flag:cu _enable=flag:cu"
PROMOTION_TRIGGERS = f"{DISABLING} {TAGGABLE}"
STATUSES = "active expired with_status"
SKU_CODE_SCOPES = "sku_code_eq sku_code_matches sku_code_start sku_code_end sku_code_in"
SCOPES = f"{STATUSES} {SKU_CODE_SCOPES}"
FLEX = " ".join(
    word
    for word in PROMOTION.split()
    if word.partition("=")[0] not in ("currency_code", "total_usage_reached", "weight", "coupons_count")
)
PRICE_RULES = "rule_outcomes=array:r rules=object:curf resource_payload=object:r"
PRICE_TIER = """
    name=string:curfs! up_to=integer:curfs
    price_amount_cents=integer:curfs! price_amount_float=float:r formatted_price_amount=string:r
"""
OF_PRICE = f"price=one:prices:cufs! {VERSIONED}"
RULE_RELATIONSHIPS = f"promotion=one:promotions:cuf! {VERSIONED}"

ORDER_AMOUNTS = (
    *("subtotal_amount", "shipping_amount", "payment_method_amount", "discount_amount", "adjustment_amount"),
    *("gift_card_amount", "total_tax_amount", "subtotal_tax_amount", "total_amount", "fees_amount", "duty_amount"),
)
ORDER_TOTALS = (
    *("shipping_tax_amount", "payment_method_tax_amount", "adjustment_tax_amount", "total_taxable_amount"),
    *("subtotal_taxable_amount", "shipping_taxable_amount", "payment_method_taxable_amount"),
    *("adjustment_taxable_amount", "total_amount_with_taxes", "place_total_amount"),
)

TABLE = {
    "coupons": entry(
        EVERYTHING,
        """
        code=string:curfs! customer_single_use=boolean:curfs usage_limit=integer:curfs usage_count=integer:rfs
        recipient_email=string:cur expires_at=datetime:curfs
        applies_to_count=integer:cur used_amount_cents=integer:r balance_cents=integer:r0
        """,
        f"""
        promotion_rule=one:coupon_codes_promotion_rules:cuf! coupon_recipient=one:coupon_recipients:cufs
        redemptions=many:redemptions:f events=many:events:f tags=many:tags:cuf {VERSIONED}
        """,
        TAGGABLE,
    ),
    "coupon_recipients": entry(
        EVERYTHING,
        "email=string:curfs! first_name=string:curf last_name=string:curf",
        f"customer=one:customers:cufs {VERSIONED}",
    ),
    "promotions": entry("list retrieve", PROMOTION, PROMOTION_RELATIONSHIPS, PROMOTION_TRIGGERS, SCOPES, sti=True),
    "percentage_discount_promotions": entry(
        EVERYTHING,
        f"{PROMOTION} percentage=float:cur! discount_context=string:cur",
        OF_LISTED,
        PROMOTION_TRIGGERS,
        SCOPES,
        sti=True,
    ),
    "fixed_amount_promotions": entry(
        EVERYTHING,
        f"{PROMOTION} {FIXED_AMOUNT} discount_context=string:cur declining_balance=boolean:cur",
        OF_LISTED,
        PROMOTION_TRIGGERS,
        SCOPES,
        sti=True,
    ),
    "fixed_price_promotions": entry(
        EVERYTHING,
        f"{PROMOTION} {FIXED_AMOUNT} whole_order=boolean:cur",
        OF_LISTED.replace("sku_list=one:sku_lists:cufs", "sku_list=one:sku_lists:cufs!"),
        PROMOTION_TRIGGERS,
        SCOPES,
        sti=True,
    ),
    "free_shipping_promotions": entry(
        EVERYTHING,
        PROMOTION,
        PROMOTION_RELATIONSHIPS,
        PROMOTION_TRIGGERS,
        SCOPES,
        sti=True,
    ),
    "free_gift_promotions": entry(
        EVERYTHING,
        f"{PROMOTION} max_quantity=integer:cur",
        OF_LISTED.replace("sku_list=one:sku_lists:cufs", "sku_list=one:sku_lists:cufs!"),
        PROMOTION_TRIGGERS,
        SCOPES,
        sti=True,
    ),
    "buy_x_pay_y_promotions": entry(
        EVERYTHING,
        f"{PROMOTION} x=integer:curfs! y=integer:curfs! cheapest_free=boolean:cur",
        OF_LISTED.replace("sku_list=one:sku_lists:cufs", "sku_list=one:sku_lists:cufs!"),
        PROMOTION_TRIGGERS,
        SCOPES,
        sti=True,
    ),
    "external_promotions": entry(
        EVERYTHING,
        f"""
        {PROMOTION} promotion_url=string:cur! circuit_state=string:rfs circuit_failure_count=integer:rfs
        shared_secret=string:r external_includes=array:cur
        """,
        OF_LISTED,
        f"{PROMOTION_TRIGGERS} _reset_circuit=flag:u _regenerate_shared_secret=flag:u",
        SCOPES,
        sti=True,
    ),
    "flex_promotions": entry(
        EVERYTHING,
        f"{FLEX} rules=object:curf! rule_outcomes=object:r0 resource_payload=object:r0",
        f"""
        coupon_codes_promotion_rule=one:coupon_codes_promotion_rules:cuf
        coupons=many:coupons:f redemptions=many:redemptions:f events=many:events:f tags=many:tags:cuf {VERSIONED}
        """,
        PROMOTION_TRIGGERS,
        STATUSES,
        sti=True,
    ),
    "promotion_rules": entry("list retrieve", "", RULE_RELATIONSHIPS, sti=True),
    "coupon_codes_promotion_rules": entry(EVERYTHING, "", f"{RULE_RELATIONSHIPS} coupons=many:coupons:cuf", sti=True),
    "order_amount_promotion_rules": entry(
        EVERYTHING,
        """
        order_amount_cents=integer:cur order_amount_float=float:r formatted_order_amount=string:r
        use_subtotal=boolean:cur
        """,
        RULE_RELATIONSHIPS,
        sti=True,
    ),
    "sku_list_promotion_rules": entry(
        EVERYTHING,
        "all_skus=boolean:cur min_quantity=integer:cur",
        f"{RULE_RELATIONSHIPS} sku_list=one:sku_lists:cufs! skus=many:skus:",
        sti=True,
    ),
    "custom_promotion_rules": entry(EVERYTHING, "filters=object:cur!", RULE_RELATIONSHIPS, sti=True),
    "merchants": entry(EVERYTHING, "name=string:curfs!", f"address=one:addresses:cuf! {VERSIONED}"),
    "markets": entry(
        EVERYTHING,
        """
        number=integer:r name=string:curfs! code=string:curfs facebook_pixel_id=string:cur checkout_url=string:cur
        external_prices_url=string:cur external_order_validation_url=string:cur private=boolean:r
        shipping_cost_cutoff=integer:cur disabled_at=datetime:rfs shared_secret=string:r external_includes=array:cur
        """,
        f"""
        merchant=one:merchants:cuf! price_list=one:price_lists:cufs! customer_group=one:customer_groups:cufs
        default_shipping_method=one:shipping_methods:cufs default_payment_method=one:payment_methods:cufs {VERSIONED}
        """,
        f"{DISABLING} _regenerate_shared_secret=flag:u",
    ),
    "price_lists": entry(
        EVERYTHING,
        f"name=string:curfs! code=string:curfs currency_code=string:curfs! tax_included=boolean:curfs {PRICE_RULES}",
        f"prices=many:prices:f {VERSIONED}",
    ),
    "prices": entry(
        EVERYTHING,
        f"""
        currency_code=string:r sku_code=string:cur
        amount_cents=integer:curfs! amount_float=float:r formatted_amount=string:r
        original_amount_cents=integer:r formatted_original_amount=string:r compare_at_amount_cents=integer:curfs
        compare_at_amount_float=float:r formatted_compare_at_amount=string:r processed_at=datetime:ur {PRICE_RULES}
        """,
        f"""
        price_list=one:price_lists:cufs! sku=one:skus:cufs! price_tiers=many:price_tiers:cuf
        price_volume_tiers=many:price_volume_tiers: price_frequency_tiers=many:price_frequency_tiers: {VERSIONED}
        """,
    ),
    "price_tiers": entry("list retrieve", PRICE_TIER, OF_PRICE, sti=True),
    "price_volume_tiers": entry(EVERYTHING, PRICE_TIER, f"{OF_PRICE} events=many:events:f", sti=True),
    "price_frequency_tiers": entry(EVERYTHING, PRICE_TIER, f"{OF_PRICE} events=many:events:f", sti=True),
    "skus": entry(
        EVERYTHING,
        """
        code=string:curfs! name=string:curfs! description=string:curf image_url=string:curf
        pieces_per_pack=integer:cur weight=float:cur unit_of_weight=string:cur hs_tariff_number=string:cur
        do_not_ship=boolean:curfs do_not_track=boolean:curfs inventory=object:r
        """,
        f"""
        shipping_category=one:shipping_categories:cufs! prices=many:prices:f sku_list_items=many:sku_list_items:f
        sku_lists=many:sku_lists:f events=many:events:f tags=many:tags:cuf {VERSIONED}
        """,
        TAGGABLE,
    ),
    # Not in the contract: as clients know them.
    "sku_options": entry(
        EVERYTHING,
        """
        name=string:curfs! currency_code=string:curfs description=string:curf
        price_amount_cents=integer:curfs price_amount_float=float:r formatted_price_amount=string:r
        delay_hours=integer:curfs delay_days=integer:rfs sku_code_regex=string:cur
        """,
        f"market=one:markets:cufs events=many:events:f tags=many:tags:cuf {VERSIONED}",
        TAGGABLE,
    ),
    "sku_lists": entry(
        EVERYTHING,
        """
        name=string:curfs! slug=string:rfs description=string:curf image_url=string:curf
        manual=boolean:curfs sku_code_regex=string:cur0
        """,
        f"""
        customer=one:customers:cufs skus=many:skus: sku_list_items=many:sku_list_items:f
        bundles=many:bundles: {VERSIONED}
        """,
        scopes=SKU_CODE_SCOPES,
    ),
    "sku_list_items": entry(
        EVERYTHING,
        """
        position=integer:curfs sku_code=string:cur quantity=integer:curfs
        max_per_coupon=integer:cur price_amount_cents=integer:cur
        """,
        f"sku_list=one:sku_lists:cfs! sku=one:skus:cfs! {VERSIONED}",
    ),
    "bundles": entry(
        EVERYTHING,
        """
        code=string:curfs! name=string:curfs! currency_code=string:curfs description=string:curf image_url=string:curf
        do_not_ship=boolean:rf do_not_track=boolean:rf
        price_amount_cents=integer:curfs price_amount_float=float:r formatted_price_amount=string:r
        compare_at_amount_cents=integer:curfs compare_at_amount_float=float:r formatted_compare_at_amount=string:r
        skus_count=integer:r
        """,
        f"""
        market=one:markets:cfs sku_list=one:sku_lists:cfs! skus=many:skus:
        events=many:events:f tags=many:tags:cuf {VERSIONED}
        """,
        f"_compute_price_amount=flag:cu _compute_compare_at_amount=flag:cu {TAGGABLE}",
    ),
    "customers": entry(
        EVERYTHING,
        """
        email=string:curfs! password=string:cu
        status=string:rfs has_password=boolean:r total_orders_count=integer:rfs
        shopper_reference=string:cur profile_id=string:cur tax_exemption_code=string:cur
        anonymization_info=object:r anonymization_status=string:rfs
        """,
        f"""
        customer_group=one:customer_groups:cufs customer_addresses=many:customer_addresses:f
        sku_lists=many:sku_lists:f orders=many:orders: redemptions=many:redemptions:f
        events=many:events:f tags=many:tags:cuf {STORED}
        """,
        f"_request_anonymization=flag:u _cancel_anonymization=flag:u {TAGGABLE}",
    ),
    "customer_groups": entry(
        EVERYTHING,
        "name=string:curfs! code=string:curfs",
        f"customers=many:customers: markets=many:markets: {VERSIONED}",
    ),
    # Of the customer's e-mail and the customer, one is required.
    "customer_addresses": entry(
        EVERYTHING,
        "name=string:r customer_email=string:cr",
        f"customer=one:customers:cufs! address=one:addresses:cufs! events=many:events:f {VERSIONED}",
    ),
    "addresses": entry(
        EVERYTHING,
        """
        business=boolean:curf first_name=string:curf last_name=string:curf company=string:curf full_name=string:r
        line_1=string:curf! line_2=string:curf city=string:curfs! zip_code=string:curf state_code=string:curfs
        country_code=string:curfs! phone=string:curf! full_address=string:r name=string:r
        email=string:curf notes=string:curf lat=float:curf lng=float:curf is_localized=boolean:r is_geocoded=boolean:r
        provider_name=string:r map_url=string:r static_map_url=string:r billing_info=string:curf
        """,
        f"events=many:events:f tags=many:tags:cuf {VERSIONED}",
        TAGGABLE,
    ),
    # There are no shipments yet, and so no price for one.
    "shipping_methods": entry(
        EVERYTHING,
        """
        name=string:curfs! scheme=string:curfs currency_code=string:curfs external_prices_url=string:cur
        price_amount_cents=integer:curfs! price_amount_float=float:r formatted_price_amount=string:r
        free_over_amount_cents=integer:curfs free_over_amount_float=float:r formatted_free_over_amount=string:r
        use_subtotal=boolean:cur price_amount_for_shipment_cents=integer:r0 price_amount_for_shipment_float=float:r0
        formatted_price_amount_for_shipment=string:r0 min_weight=float:cur max_weight=float:cur
        unit_of_weight=string:cur tax_code=string:cur disabled_at=datetime:rfs
        circuit_state=string:rfs circuit_failure_count=integer:rfs shared_secret=string:r external_includes=array:cur
        """,
        f"""
        market=one:markets:cufs shipping_zone=one:shipping_zones:cufs
        shipping_category=one:shipping_categories:cufs stock_location=one:stock_locations:cufs
        events=many:events:f tags=many:tags:cuf {VERSIONED}
        """,
        f"{DISABLING} _reset_circuit=flag:u _regenerate_shared_secret=flag:u {TAGGABLE}",
    ),
    "shipping_zones": entry(
        EVERYTHING,
        """
        name=string:curfs! country_code_regex=string:cur not_country_code_regex=string:cur
        state_code_regex=string:cur not_state_code_regex=string:cur zip_code_regex=string:cur
        not_zip_code_regex=string:cur
        """,
        VERSIONED,
    ),
    "shipping_categories": entry(EVERYTHING, "name=string:curfs! code=string:curfs", f"skus=many:skus:f {VERSIONED}"),
    "stock_locations": entry(
        EVERYTHING,
        """
        number=integer:r name=string:curfs! code=string:curfs label_format=string:curfs suppress_etd=boolean:curfs
        """,
        f"address=one:addresses:cufs! {VERSIONED}",
    ),
    "payment_methods": entry(
        EVERYTHING,
        """
        name=string:curfs payment_source_type=string:curfs! currency_code=string:curfs moto=boolean:cur
        require_capture=boolean:cur auto_place=boolean:cur auto_capture=boolean:cur
        price_amount_cents=integer:curfs! price_amount_float=float:r formatted_price_amount=string:r
        auto_capture_max_amount_cents=integer:cur auto_capture_max_amount_float=float:r
        formatted_auto_capture_max_amount=string:r disabled_at=datetime:rfs
        """,
        f"market=one:markets:cufs payment_gateway=one:manual_gateways:cuf! {VERSIONED}",
        DISABLING,
    ),
    "manual_gateways": entry(
        EVERYTHING,
        "name=string:curfs! force_payments=boolean:cur disabled_at=datetime:rfs",
        f"payment_methods=many:payment_methods:f {VERSIONED}",
        DISABLING,
    ),
    "adjustments": entry(
        EVERYTHING,
        """
        name=string:curfs! currency_code=string:curfs! amount_cents=integer:curfs! amount_float=float:r
        formatted_amount=string:r distribute_discount=boolean:cur
        """,
        VERSIONED,
    ),
    "line_item_options": entry(
        EVERYTHING,
        """
        name=string:curfs quantity=integer:curfs! currency_code=string:rfs unit_amount_cents=integer:curfs
        unit_amount_float=float:r formatted_unit_amount=string:r total_amount_cents=integer:r
        total_amount_float=float:r formatted_total_amount=string:r delay_hours=integer:rfs delay_days=integer:rf
        options=object:cur!
        """,
        f"""
        line_item=one:line_items:cfs! sku_option=one:sku_options:cufs!
        events=many:events:f tags=many:tags:cuf {STORED}
        """,
        TAGGABLE,
    ),
    # Rates of carriers are not asked for, so what tells of them is left out.
    "shipments": entry(
        EVERYTHING,
        """
        number=string:urfs status=string:rfs currency_code=string:r cost_amount_cents=integer:rfs
        cost_amount_float=float:r formatted_cost_amount=string:r skus_count=integer:r on_hold_at=datetime:rfs
        picking_at=datetime:rfs packing_at=datetime:rfs ready_to_ship_at=datetime:rfs shipped_at=datetime:rfs
        delivered_at=datetime:rfs
        """,
        f"""
        order=one:orders:cfs! shipping_category=one:shipping_categories:cufs stock_location=one:stock_locations:fs
        origin_address=one:addresses:f shipping_address=one:addresses:cuf shipping_method=one:shipping_methods:cufs
        available_shipping_methods=many:shipping_methods:
        line_items=many:line_items: events=many:events:f tags=many:tags:cuf {VERSIONED}
        """,
        f"""
        _upcoming=flag:u _on_hold=flag:u _picking=flag:u _packing=flag:u _ready_to_ship=flag:u _ship=flag:u
        _deliver=flag:u _cancel=flag:u _reserve_stock=flag:u- _release_stock=flag:u- _decrement_stock=flag:u-
        _get_rates=flag:u- _purchase=flag:u- {TAGGABLE}
        """,
    ),
    # The market is required of whoever has not one and only one in scope. Clients look for a cart by `editable`, which
    # the contract only reads, and search by `aggregated_details`, which is no attribute.
    "orders": entry(
        EVERYTHING,
        f"""
        number=string:curfs affiliate_code=string:curfs autorefresh=boolean:cur place_async=boolean:curfs
        status=string:rfs payment_status=string:rfs fulfillment_status=string:rfs guest=boolean:curfs
        editable=boolean:rf customer_email=string:curf customer_password=string:cu customer_type=string:r
        language_code=string:curfs currency_code=string:rfs tax_included=boolean:rfs tax_rate=float:rfs
        freight_taxable=boolean:cur payment_method_taxable=boolean:cur adjustment_taxable=boolean:cur
        gift_card_taxable=boolean:cur requires_billing_info=boolean:r country_code=string:rfs
        shipping_country_code_lock=string:cur coupon_code=string:curfs gift_card_code=string:curfs
        gift_card_or_coupon_code=string:cur {amounts("rfs", *ORDER_AMOUNTS)} {amounts("r", *ORDER_TOTALS)}
        skus_count=integer:r line_item_options_count=integer:r shipments_count=integer:r
        tax_calculations_count=integer:r validations_count=integer:r errors_count=integer:r
        payment_source_details=object:r0 token=string:rf cart_url=string:cur return_url=string:cur
        terms_url=string:cur privacy_url=string:cur checkout_url=string:r _authorization_amount_cents=integer:u-
        _billing_address_clone_id=string:u _shipping_address_clone_id=string:u _customer_payment_source_id=string:u-
        placed_at=datetime:rfs approved_at=datetime:rfs cancelled_at=datetime:rfs payment_updated_at=datetime:rfs
        fulfillment_updated_at=datetime:rfs refreshed_at=datetime:rfs archived_at=datetime:rfs
        subscription_created_at=datetime:rfs0 expires_at=datetime:curfs expiration_info=object:cur
        circuit_state=string:rfs circuit_failure_count=integer:rfs
        """,
        f"""
        market=one:markets:cufs! customer=one:customers:cufs shipping_address=one:addresses:cuf
        billing_address=one:addresses:cuf available_free_skus=many:skus: available_free_bundles=many:bundles:
        default_shipping_method=one:shipping_methods: default_payment_method=one:payment_methods:
        available_payment_methods=many:payment_methods:
        payment_method=one:payment_methods:cuf line_items=many:line_items:f
        line_item_options=many:line_item_options:f shipments=many:shipments:f
        resource_errors=many:resource_errors:f redemptions=many:redemptions:f
        events=many:events:f tags=many:tags:cuf {VERSIONED}
        """,
        f"""
        _archive=flag:u _unarchive=flag:u _pending=flag:u _place=flag:u _cancel=flag:u _approve=flag:u
        _approve_and_capture=flag:u _authorize=flag:u- _capture=flag:u _refund=flag:u _fulfill=flag:u
        _update_taxes=flag:u- _nullify_payment_source=flag:u- _fix_payment_source=flag:u-
        _shipping_address_same_as_billing=flag:u _billing_address_same_as_shipping=flag:u _commit_invoice=flag:u-
        _refund_invoice=flag:u- _save_payment_source_to_customer_wallet=flag:u-
        _save_shipping_address_to_customer_address_book=flag:u _save_billing_address_to_customer_address_book=flag:u
        _refresh=flag:u _refresh_prices=flag:u _validate=flag:u _create_subscriptions=flag:u- _start_editing=flag:u
        _stop_editing=flag:u _reset_circuit=flag:u {TAGGABLE}
        """,
    ),
    "line_items": entry(
        EVERYTHING,
        f"""
        sku_code=string:curf bundle_code=string:cur quantity=integer:curf! _external_price=boolean:cur
        _update_quantity=boolean:c _reserve_stock=boolean:cu- _reset_restocked_quantity=boolean:cu-
        currency_code=string:rfs {amounts("curfs", "unit_amount", "compare_at_amount")}
        {amounts("urfs", "options_amount")} {amounts("rfs", "discount", "total_amount", "tax_amount")}
        name=string:curfs image_url=string:curf discount_breakdown=object:r tax_rate=float:r tax_breakdown=object:r0
        item_type=string:crfs frequency=string:cur coupon_code=string:r rule_outcomes=array:r
        circuit_state=string:rfs circuit_failure_count=integer:rfs
        """,
        f"""
        order=one:orders:cfs! item=one:skus:c* sku=one:skus:f bundle=one:bundles:f adjustment=one:adjustments:f
        gift_card=one:gift_cards:f shipment=one:shipments:f payment_method=one:payment_methods:f
        line_item_options=many:line_item_options:f events=many:events:f tags=many:tags:cuf {STORED}
        """,
        f"_reset_circuit=flag:u {TAGGABLE}",
    ),
    "gift_cards": entry(
        EVERYTHING,
        f"""
        status=string:rfs code=string:crf currency_code=string:curfs {amounts("r", "initial_balance")}
        balance_cents=integer:curfs! balance_float=float:r formatted_balance=string:r
        {amounts("curfs", "balance_max")} balance_log=array:r usage_log=object:r single_use=boolean:curf
        rechargeable=boolean:curf distribute_discount=boolean:cur image_url=string:cur expires_at=datetime:curfs
        recipient_email=string:cur _balance_change_cents=integer:u
        """,
        f"""
        market=one:markets:cufs gift_card_recipient=one:gift_card_recipients:cufs
        events=many:events:f tags=many:tags:cuf {VERSIONED}
        """,
        f"_purchase=flag:u _activate=flag:u _deactivate=flag:u {TAGGABLE}",
        "with_status",
    ),
    "gift_card_recipients": entry(
        EVERYTHING,
        "email=string:curfs! first_name=string:curf last_name=string:curf",
        f"customer=one:customers:cufs {VERSIONED}",
    ),
    "redemptions": entry(
        "list retrieve create update",
        f"""
        status=string:r customer_email=string:rfs customer_reference=string:r currency_code=string:rfs
        {amounts("rfs", "discount")}
        evaluation=object:r restrictions=array:r discounts_limit=integer:rfs discounts_count=integer:rfs
        reserved_until=datetime:rfs committed_at=datetime:rfs released_at=datetime:rfs
        """,
        f"""
        order=one:orders:f customer=one:customers:f promotions=many:promotions:f coupons=many:coupons:f
        events=many:events:f {VERSIONED}
        """,
        "_commit=flag:u _cancel=flag:u",
        "with_status",
        has_own_form=True,
    ),
    "resource_errors": entry(
        "list retrieve",
        "name=string:rfs code=string:rfs message=string:rf",
        f"resource=one:orders: {STORED}",
    ),
    "tags": entry(EVERYTHING, "name=string:curfs!", STORED),
    "events": entry("list retrieve update", "name=string:rfs", STORED, "_trigger=flag:u"),
    # Clients also filter versions by event, and event_stores like versions; the contract's flags leave it out.
    "versions": entry(
        "list retrieve",
        "resource_type=string:rf resource_id=string:rf event=string:rf changes=object:r who=object:r",
        STORED,
    ),
    # Clients also list them, and cannot include them; the contract only retrieves.
    "event_stores": entry(
        "list retrieve",
        "resource_type=string:rf resource_id=string:rf event=string:rf payload=object:r who=object:r",
    ),
    # Singletons cannot be listed, so what the contract marks filterable is of no use.
    "organizations": entry(
        "retrieve",
        """
        name=string:cur slug=string:r domain=string:r support_phone=string:cur support_email=string:cur
        logo_url=string:cur favicon_url=string:cur primary_color=string:cur gtm_id=string:cur gtm_id_test=string:cur
        config=object:r
        api_auth_redirect=boolean:r api_rules_engine=boolean:r api_rules_engine_max_conditions_size=integer:r
        api_rules_engine_max_rules_size=integer:r api_new_auth=boolean:r api_purge_single_resource=boolean:r
        api_max_regex_length=integer:r addresses_avs_check=boolean:r addresses_phone_required=boolean:r
        orders_sales_channel_guest_only=boolean:r orders_min_rebuild_shipments_lapse=float:r
        orders_min_refresh_lapse=float:r orders_autorefresh_cutoff_test=integer:r
        orders_autorefresh_cutoff_live=integer:r orders_number_editable_test=boolean:r
        orders_number_editable_live=boolean:r orders_number_as_reference=boolean:r
        orders_invalid_coupon_errors=boolean:r orders_invalid_gift_card_errors=boolean:r
        orders_validate_shipping_stock=boolean:r bundles_max_items_count=integer:r
        coupons_min_code_length=integer:r coupons_max_code_length=integer:r
        gift_cards_exact_code_matching=boolean:r gift_cards_min_code_length=integer:r
        gift_cards_max_code_length=integer:r cleanups_max_concurrent_count=integer:r
        exports_max_concurrent_count=integer:r imports_max_concurrent_count=integer:r imports_purge_cache=boolean:r
        imports_skip_errors=boolean:r inventory_models_max_stock_locations_cutoff=integer:r
        promotions_max_concurrent_count=integer:r promotions_max_conditions_size=integer:r
        promotions_max_rules_size=integer:r price_lists_max_conditions_size=integer:r
        price_lists_max_rules_size=integer:r imports_trigger_webhooks=boolean:r discount_engines_enabled=boolean:r
        discount_engines_errors=boolean:r tags_max_name_length=integer:r tags_max_allowed_number=integer:r
        tax_calculators_errors=boolean:r external_promotions_errors=boolean:r external_prices_errors=boolean:r
        """,
        STORED,
        path="organization",
    ),
    "applications": entry(
        "retrieve",
        """
        name=string:cur kind=string:cur public_access=boolean:r redirect_uri=string:cur scopes=string:r
        """,
        path="application",
    ),
}
ATTACHED = absent("attachments")
ABSENT = {
    **{name: ATTACHED for name in TABLE if name.endswith("promotions")},
    **dict.fromkeys(("coupon_recipients", "gift_cards", "gift_card_recipients"), ATTACHED),
    **dict.fromkeys(("merchants", "prices", "price_tiers", "price_volume_tiers", "price_frequency_tiers"), ATTACHED),
    **dict.fromkeys(("bundles", "customer_groups", "shipping_zones", "shipping_categories", "sku_options"), ATTACHED),
    "markets": absent(
        "stores price_list_schedulers order_validation_rules attachments",
        "base_price_list inventory_model subscription_model discount_engine tax_calculator geocoder",
    ),
    "price_lists": absent("price_list_schedulers attachments"),
    "skus": absent("stock_items stock_reservations delivery_lead_times attachments links"),
    "sku_lists": absent("attachments links"),
    "customers": absent(
        "customer_payment_sources customer_subscriptions order_subscriptions returns attachments",
    ),
    "addresses": absent("", "geocoder"),
    "shipping_methods": absent(
        "shipping_method_tiers shipping_weight_tiers attachments notifications",
        "delivery_lead_time_for_shipment",
    ),
    "stock_locations": absent(
        "inventory_stock_locations inventory_return_locations stock_items stock_transfers stores attachments"
    ),
    "payment_methods": absent("attachments", "store"),
    "orders": absent(
        """
        available_customer_payment_sources stock_reservations stock_line_items stock_transfers payment_options
        transactions authorizations captures voids refunds returns order_subscriptions order_factories order_copies
        recurring_order_copies attachments notifications links
        """,
        "store payment_source discount_engine_item order_subscription",
    ),
    "line_items": absent(
        "return_line_items shipment_line_items stock_reservations stock_line_items stock_transfers notifications"
    ),
    "shipments": absent(
        "shipment_line_items stock_line_items stock_transfers carrier_accounts parcels attachments",
        "inventory_stock_location delivery_lead_time pickup",
    ),
    "events": absent("webhooks last_event_callbacks"),
}
"""Relationships of the contract to types that do not exist here: type -> name -> what each is answered with."""
