"""Redemptions made ahead, the invoices they discount, and uses given back: exact whoever meets, counted throughout."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from commerce import changes, ledger
from commerce.changes import By
from commerce.errors import CodeRefused, Forbidden
from commerce.models import Customer, LedgerEntry, Organization, Tenant, Version
from coupons import ahead, invoices, reconciling, redeeming
from coupons.definitions import create_only_coupon
from coupons.models import Coupon, CustomerUsage, InvoiceDiscount, Redemption, Use
from promotions.carts import Cart, CartLine, CartShipment
from promotions.models import Promotion
from tests import factories
from tests.client import Api, nothing_written
from tests.client import refused as refusal_of
from tests.coupons.test_concurrency import at_once
from tests.factories import BY, NOW


@pytest.fixture(autouse=True)
def consistent(acme: Organization) -> Any:
    """Whatever a test does, every count and sum is what the rows tell."""
    yield
    assert list(reconciling.differences(acme)) == []


def coupon(promotion: Promotion, code: str = "JUNE-2026", **values: Any) -> Coupon:
    return factories.coupon(factories.coupon_rule(promotion), code=code, **values)


@pytest.fixture
def tenth(acme: Organization) -> Coupon:
    """Ten percent off with the code TENTH-OFF."""
    return coupon(factories.percentage_promotion(acme), "TENTH-OFF")


def transacted(work: Callable[[], Any]) -> Any:
    with changes.atomic():
        return work()


def redeem(
    of: Coupon, customer: str | None = None, *restrictions: Any, limit: int | None = None, by: By = BY
) -> Redemption:
    own = [{"type": "discounts_per_redemption", "quantity": limit}] if limit is not None else []
    return transacted(partial(ahead.redeem, of.tenant, of.code, customer, [*restrictions, *own], by))


def line(cents: int, quantity: int = 1, code: str = "plan", product: str | None = None) -> CartLine:
    return CartLine(id=0, code=code, product=product, quantity=quantity, unit_amount_cents=cents)


def cart(of: Redemption, *lines: CartLine | int, shipping: int = 0, currency: str = "EUR", **values: Any) -> Cart:
    """An invoice of these lines, or of one unit for so many cents each; 100.00 EUR unless said."""
    made = [line(one) if isinstance(one, int) else one for one in lines or (10_000,)]
    numbered = [
        CartLine(
            id=place,
            code=one.code,
            product=one.product,
            quantity=one.quantity,
            unit_amount_cents=one.unit_amount_cents,
        )
        for place, one in enumerate(made)
    ]
    shipments = (CartShipment(id=0, cost_amount_cents=shipping),) if shipping else ()
    return Cart(tenant=of.tenant, currency_code=currency, lines=tuple(numbered), shipments=shipments, **values)


def apply(of: Redemption, invoice: str = "in-1", *lines: Any, by: By = BY, **values: Any) -> invoices.Outcome:
    return transacted(lambda: invoices.apply(of, invoice, cart(of, *lines, **values), by))


def remove(of: Redemption, invoice: str = "in-1") -> bool:
    return transacted(lambda: invoices.remove(of, invoice, BY))


def refused(work: Callable[[], Any]) -> tuple[str, str]:
    """What is refused, and the word for it."""
    with pytest.raises(CodeRefused) as refusal:
        work()
    return refusal.value.attribute, refusal.value.reason


def taken(outcome: invoices.Outcome) -> dict[int, int]:
    """Redemption -> the cents it takes off."""
    return {one.use.redemption_id: one.cents for one in outcome.applied}


def discounts(invoice: str = "in-1") -> dict[int, int]:
    rows = InvoiceDiscount.objects.filter(invoice=invoice)
    return dict(rows.values_list("redemption_id", "discount_cents"))


def standing(of: Redemption) -> tuple[str, int, int]:
    """State, how many invoices it discounts, and by how much together."""
    row = Redemption.objects.get(pk=of.pk)
    return row.state, row.discounts_count, row.discount_cents


def used(of: Coupon) -> tuple[int, int, int]:
    """How often the coupon was used, what it took off, and how often its promotion was used."""
    row = Coupon.objects.select_related("promotion_rule__promotion").get(pk=of.pk)
    return row.usage_count, row.used_amount_cents, row.promotion_rule.promotion.total_usage_count


def change(of: Coupon, **values: Any) -> None:
    """Changes the promotion that the coupon opens, past what limits it, and lets it be read anew."""
    promotion = Promotion.objects.get(promotion_rules__coupons=of.pk)
    for name, value in values.items():
        setattr(promotion, name, value)
    transacted(partial(changes.save, promotion, BY))


# --- Granting -------------------------------------------------------------------------------------


def test_a_coupon_is_redeemed_ahead_and_its_use_counted(acme: Organization, tenth: Coupon):
    redemption = redeem(tenth, "cus-1")
    assert redemption.customer_reference == "cus-1"
    assert (redemption.customer, redemption.order, redemption.currency_code) == (None, None, None)
    assert standing(redemption) == ("committed", 0, 0)
    assert redemption.committed_at == NOW
    assert used(tenth) == (1, 0, 1)
    use = Use.objects.get()
    assert (use.redemption, use.promotion_id, use.coupon, use.discount_cents, use.is_counted) == (
        *(redemption, tenth.promotion_rule.promotion_id, tenth, 0, True),
    )


def test_a_code_is_found_whatever_its_case_and_that_which_goes_by_itself_first(acme: Organization, tenth: Coupon):
    only = Coupon(**tenth.tenant._asdict(), promotion_rule=coupon(factories.flex_promotion(acme)).promotion_rule)
    only.code = "tenth-off"
    with pytest.raises(Exception, match="already been taken"):
        transacted(lambda: create_only_coupon(only, BY))
    by_code = transacted(lambda: ahead.redeem(tenth.tenant, " tenTH-off ", None, [], BY))
    assert by_code.uses.get().coupon == tenth


def test_nobody_elses_coupon_is_redeemed(acme: Organization, tenth: Coupon):
    theirs = factories.organization()
    missing = partial(ahead.redeem, Tenant(theirs.pk, "test"), "TENTH-OFF", None, [], BY)
    assert refused(lambda: transacted(missing)) == ("coupon", "coupon_not_found")


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "promotion_pending": ({"starts_at": NOW + timedelta(seconds=1)}, {}),
    "promotion_expired": ({"restrictions": [{"type": "paid_by", "time": "2026-06-15T12:00:00Z"}]}, {}),
    "promotion_disabled": ({"disabled_at": NOW}, {}),
    "promotion_usage_reached": ({"total_usage_limit": 0}, {}),
    "coupon_usage_reached": ({}, {"usage_limit": 0}),
    "coupon_expired": ({}, {"expires_at": NOW}),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_cannot_be_used_is_not_redeemed(acme: Organization, reason: str):
    promotion, values = REFUSED[reason]
    of = coupon(factories.percentage_promotion(acme, **promotion), **values)
    assert refused(lambda: redeem(of, "cus-1")) == ("coupon", reason)
    assert not Redemption.objects.exists()


def test_market_currency_and_what_an_order_must_meet_are_asked_later(acme: Organization):
    promotion = factories.fixed_amount_promotion(
        acme,
        market=factories.market(acme),
        restrictions=[{"type": "minimum_order_amount", "amount_cents": 5000, "currency_code": "EUR"}],
    )
    assert standing(redeem(coupon(promotion), "cus-1")) == ("committed", 0, 0)


def test_one_customer_redeems_as_often_as_one_may(acme: Organization):
    of = coupon(factories.percentage_promotion(acme, customer_usage_limit=2))
    first, _ = redeem(of, "cus-1"), redeem(of, "cus-1")
    assert refused(lambda: redeem(of, "cus-1")) == ("customer", "already_used_by_customer")
    assert refused(lambda: redeem(of)) == ("customer", "customer_unknown")
    redeem(of, "cus-2")
    transacted(lambda: redeeming.cancel(first, BY))
    redeem(of, "cus-1")
    told = dict(CustomerUsage.objects.values_list("customer_key", "usage_count"))
    assert told == {"r:cus-1": 2, "r:cus-2": 1}


def test_a_customer_of_ours_counts_by_every_name(acme: Organization):
    ada = factories.customer(acme, reference="their-ada", email="Ada@example.com")
    of = coupon(factories.percentage_promotion(acme, customer_usage_limit=3))
    for name in (ada.public_id, "their-ada", ada.shopper_reference):
        redemption = redeem(of, name)
        assert (redemption.customer, redemption.customer_reference) == (ada, name)
    assert refused(lambda: redeem(of, ada.public_id)) == ("customer", "already_used_by_customer")
    told = dict(CustomerUsage.objects.values_list("customer_key", "usage_count"))
    assert told[f"c:{ada.pk}"] == told["e:ada@example.com"] == 3


def test_a_customer_is_called_by_the_public_id_before_anybody_who_is_referred_to_so(acme: Organization):
    ada = factories.customer(acme)
    bob = factories.customer(acme, reference=ada.public_id)
    of = coupon(factories.percentage_promotion(acme))
    assert redeem(of, ada.public_id).customer == ada
    factories.customer(acme, shopper_reference="both")
    bob = factories.customer(acme, reference="both")
    assert redeem(of, "both").customer == bob
    stranger = factories.customer(factories.organization())
    assert redeem(of, stranger.public_id).customer is None


def test_only_those_customers_redeem_whom_it_is_for(acme: Organization):
    of = coupon(
        factories.percentage_promotion(acme, restrictions=[{"type": "customers", "names": ["cus-1", "their-ada"]}])
    )
    assert refused(lambda: redeem(of)) == ("customer", "customer_unknown")
    assert refused(lambda: redeem(of, "cus-2")) == ("customer", "customer_not_eligible")
    redeem(of, "cus-1")
    ada = factories.customer(acme, reference="their-ada")
    redeem(of, ada.public_id)


@pytest.mark.parametrize(("all_tags", "tags"), [(False, ["vip"]), (True, ["vip", "early"])])
def test_only_customers_with_the_tags_redeem(acme: Organization, all_tags: bool, tags: list[str]):
    restriction = {"type": "customer_tags", "tags": ["vip", "early"], "all_tags": all_tags}
    of = coupon(factories.percentage_promotion(acme, restrictions=[restriction]))
    ada = factories.customer(acme)
    assert refused(lambda: redeem(of, ada.public_id)) == ("customer", "customer_not_eligible")
    for name in tags:
        ada.tags.add(factories.tag(acme, name=name))  # type: ignore[attr-defined]
    redeem(of, ada.public_id)
    assert refused(lambda: redeem(of, "cus-1")) == ("customer", "customer_not_eligible")


def test_where_the_customer_is_is_asked_of_the_invoice(acme: Organization):
    of = coupon(factories.percentage_promotion(acme, restrictions=[{"type": "countries", "country_codes": ["IT"]}]))
    redemption = redeem(of, "cus-1")
    assert refused(lambda: apply(redemption, country_code="DE")) == ("redemption", "country_not_eligible")
    assert taken(apply(redemption, country_code="IT")) == {redemption.pk: 1000}


def test_a_coupon_for_one_use_a_customer_is_redeemed_once(acme: Organization):
    of = coupon(factories.percentage_promotion(acme), customer_single_use=True)
    redeem(of, "cus-1")
    assert refused(lambda: redeem(of, "cus-1")) == ("customer", "already_used_by_customer")


def test_who_is_meant_by_a_coupon_alone_redeems_it(acme: Organization):
    of = coupon(
        factories.percentage_promotion(acme), coupon_recipient=factories.recipient(acme, email="ada@example.com")
    )
    assert refused(lambda: redeem(of, "cus-1")) == ("customer", "recipient_unknown")
    redeem(of, factories.customer(acme, email="ada@example.com").public_id)


def test_a_time_to_pay_by_that_is_over_is_refused(acme: Organization, tenth: Coupon):
    over = {"type": "paid_by", "time": "2026-06-15T12:00:00Z"}
    assert refused(lambda: redeem(tenth, None, over)) == ("restrictions", "paid_by_over")


@pytest.mark.parametrize(
    ("own", "additional", "limit"), [(None, None, None), (3, None, 3), (None, 2, 2), (3, 2, 2), (1, 2, 1)]
)
def test_it_discounts_as_many_invoices_as_the_stricter_of_both_says(
    acme: Organization, own: int | None, additional: int | None, limit: int | None
):
    of = coupon(factories.percentage_promotion(acme, discounts_per_redemption=own))
    assert redeem(of, limit=additional).discounts_limit == limit


# --- Applying -------------------------------------------------------------------------------------


def test_a_redemption_discounts_invoices_and_twice_the_same_once(tenth: Coupon):
    redemption = redeem(tenth, "cus-1")
    first = apply(redemption, "in-1", 10_000)
    assert (taken(first), first.applied[0].is_new) == ({redemption.pk: 1000}, True)
    before = Version.objects.count()
    again = apply(redemption, "in-1", 10_000)
    assert (taken(again), again.applied[0].is_new) == ({redemption.pk: 1000}, False)
    assert Version.objects.count() == before
    apply(redemption, "in-2", 500)
    assert (discounts("in-1"), discounts("in-2")) == ({redemption.pk: -1000}, {redemption.pk: -50})
    assert standing(redemption) == ("committed", 2, -1050)
    assert used(tenth) == (1, 1050, 1)


def test_an_invoice_that_changed_is_discounted_anew(tenth: Coupon):
    redemption = redeem(tenth)
    apply(redemption, "in-1", 10_000)
    assert taken(apply(redemption, "in-1", 4000)) == {redemption.pk: 400}
    assert standing(redemption) == ("committed", 1, -400)
    assert used(tenth) == (1, 400, 1)
    apply(redemption, "in-1", 9000, currency="USD")
    assert InvoiceDiscount.objects.get().currency_code == "USD"


def test_what_an_invoice_no_longer_meets_is_taken_from_it(acme: Organization):
    least = {"type": "minimum_order_amount", "amount_cents": 5000, "currency_code": "EUR"}
    of = coupon(factories.percentage_promotion(acme, restrictions=[least]))
    redemption = redeem(of)
    assert refused(lambda: apply(redemption, "in-1", 4999)) == ("redemption", "order_amount_too_low")
    apply(redemption, "in-1", 5000)
    outcome = apply(redemption, "in-1", 4999)
    assert (outcome.applied, [(one.refusal.reason, one.is_removed) for one in outcome.not_applied]) == (
        *([], [("order_amount_too_low", True)]),
    )
    assert (discounts(), standing(redemption), used(of)) == ({}, ("committed", 0, 0), (1, 0, 1))


def test_limits_and_the_end_of_coupon_and_promotion_do_not_matter_any_more(acme: Organization):
    of = coupon(
        factories.percentage_promotion(
            acme, total_usage_limit=1, customer_usage_limit=1, expires_at=NOW + timedelta(1)
        ),
        usage_limit=1,
        expires_at=NOW + timedelta(1),
    )
    redemption = redeem(of, "cus-1")
    later = By(BY.who, NOW + timedelta(days=2))
    assert taken(apply(redemption, by=later)) == {redemption.pk: 1000}
    change(of, disabled_at=NOW)
    other = refused(lambda: apply(redemption, "in-2", by=later))
    assert other == ("redemption", "promotion_disabled")


@pytest.mark.parametrize("whose", ["promotion", "redemption"])
def test_after_the_time_to_pay_by_it_leaves_the_invoices(acme: Organization, whose: str):
    soon = {"type": "paid_by", "time": "2026-06-16T12:00:00Z"}
    of = coupon(factories.percentage_promotion(acme, restrictions=[soon] if whose == "promotion" else []))
    redemption = redeem(of, None, *([soon] if whose == "redemption" else []))
    assert taken(apply(redemption)) == {redemption.pk: 1000}
    outcome = apply(redemption, by=By(BY.who, NOW + timedelta(days=1)))
    assert [one.refusal.reason for one in outcome.not_applied] == ["promotion_expired"]
    assert discounts() == {}


def test_fixed_amounts_are_for_invoices_of_their_currency(acme: Organization):
    redemption = redeem(coupon(factories.fixed_amount_promotion(acme, fixed_amount_cents=1500)))
    assert refused(lambda: apply(redemption, currency="USD")) == ("redemption", "currency_mismatch")
    assert taken(apply(redemption)) == {redemption.pk: 1500}
    assert taken(apply(redemption, "in-2", 900)) == {redemption.pk: 900}


@pytest.mark.parametrize(
    "restriction",
    [
        {"type": "countries", "country_codes": ["IT"]},
        {"type": "customers", "names": ["cus-1"]},
        {"type": "customer_tags", "tags": ["vip"]},
        {"type": "buy_get", "buy": [{"code": "a", "quantity": 1}], "get": [{"code": "b", "quantity": 1}]},
    ],
)
def test_what_only_promotions_are_restricted_to_no_redemption_is(tenth: Coupon, restriction: Any):
    with nothing_written(), pytest.raises(ValidationError) as refusal:
        redeem(tenth, "cus-1", restriction)
    assert refusal.value.message_dict == {"restrictions": [f"cannot be of the type {restriction['type']}"]}


def test_what_a_redemption_is_restricted_to_besides_selects_what_it_discounts(tenth: Coupon):
    plans = {"type": "plans", "codes": ["gold"], "min_quantity": 2}
    redemption = redeem(tenth, None, plans)
    few = partial(apply, redemption, "in-1", line(1000, 1, "gold"), line(5000, 1, "tin"))
    assert refused(few) == ("redemption", "quantity_too_low")
    assert taken(apply(redemption, "in-1", line(1000, 2, "gold"), line(5000, 1, "tin"))) == {redemption.pk: 200}
    products = redeem(tenth, None, {"type": "products", "codes": ["metal"]})
    assert taken(apply(products, "in-2", line(3000, 1, "gold", "metal"), line(5000, 1, "tin"))) == {products.pk: 300}


@pytest.mark.parametrize(
    ("restriction", "reason", "values"),
    [
        ({"type": "orders", "names": ["in-1"]}, "order_not_eligible", {}),
        ({"type": "subscriptions", "names": ["sub-1"]}, "subscription_not_eligible", {"subscription": "sub-1"}),
    ],
)
def test_a_redemption_is_for_those_invoices_alone_that_it_names(
    tenth: Coupon, restriction: Any, reason: str, values: Any
):
    redemption = redeem(tenth, None, restriction)
    assert refused(lambda: apply(redemption, "in-2")) == ("redemption", reason)
    assert taken(apply(redemption, "in-1", **values)) == {redemption.pk: 1000}


def test_shipping_is_discounted_where_the_promotion_says_so(acme: Organization):
    shipping = redeem(coupon(factories.percentage_promotion(acme, discount_context="shipping"), "SHIP-2026"))
    both = redeem(coupon(factories.percentage_promotion(acme, discount_context="items_and_shipping"), "BOTH-2026"))
    assert taken(apply(shipping, "in-1", 10_000, shipping=500)) == {shipping.pk: 50}
    assert taken(apply(both, "in-2", 10_000, shipping=500)) == {both.pk: 1050}


def test_all_that_is_applied_to_an_invoice_is_calculated_together(acme: Organization, tenth: Coupon):
    amount = coupon(factories.fixed_amount_promotion(acme, fixed_amount_cents=9500), "AMOUNT-OFF")
    fixed, share = redeem(amount, "cus-1"), redeem(tenth, "cus-1")
    assert taken(apply(fixed, "in-1", 10_000)) == {fixed.pk: 9500}
    assert taken(apply(share, "in-1", 10_000)) == {share.pk: 1000, fixed.pk: 9000}
    assert discounts() == {share.pk: -1000, fixed.pk: -9000}
    assert (used(amount), used(tenth)) == ((1, 9000, 1), (1, 1000, 1))


def test_a_coupon_discounts_an_invoice_once_however_often_it_was_redeemed(tenth: Coupon):
    first, second = redeem(tenth, "cus-1"), redeem(tenth, "cus-1")
    apply(second)
    assert refused(lambda: apply(first)) == ("redemption", "opened_by_another_code")
    assert taken(apply(second)) == {second.pk: 1000}


def test_an_invoice_is_discounted_for_one_customer(acme: Organization, tenth: Coupon):
    amount = coupon(factories.fixed_amount_promotion(acme), "AMOUNT-OFF")
    ada = factories.customer(acme, reference="their-ada")
    apply(redeem(tenth, "their-ada"))
    assert refused(lambda: apply(redeem(amount, "cus-2"))) == ("redemption", "customer_not_eligible")
    apply(redeem(amount, ada.public_id))
    anybodys = redeem(coupon(factories.fixed_amount_promotion(acme), "ANYBODYS"))
    assert len(taken(apply(anybodys))) == 3


def test_one_that_is_exclusive_by_its_size_removes_the_others_it_beats(acme: Organization, tenth: Coupon):
    alone = coupon(factories.percentage_promotion(acme, percentage=30, exclusive_by_size=True), "ALONE-2026")
    amount = coupon(factories.fixed_amount_promotion(acme, fixed_amount_cents=2500), "AMOUNT-OFF")
    share, exclusive, fixed = redeem(tenth), redeem(alone), redeem(amount)
    apply(share)
    outcome = apply(exclusive)
    assert taken(outcome) == {exclusive.pk: 3000}
    assert [(one.use.redemption_id, one.refusal.reason, one.is_removed) for one in outcome.not_applied] == [
        (share.pk, "superseded_by_exclusive", True)
    ]
    assert (standing(share), standing(exclusive)) == (("committed", 0, 0), ("committed", 1, -3000))
    assert refused(lambda: apply(fixed)) == ("redemption", "superseded_by_exclusive")
    assert discounts() == {exclusive.pk: -3000}


def test_one_that_is_exclusive_by_its_size_is_refused_by_others_that_take_more(acme: Organization, tenth: Coupon):
    alone = redeem(coupon(factories.percentage_promotion(acme, percentage=10, exclusive_by_size=True), "ALONE-2026"))
    share = redeem(tenth)
    apply(share)
    assert refused(lambda: apply(alone)) == ("redemption", "superseded_by_others")
    assert discounts() == {share.pk: -1000}


def test_what_a_promotion_adds_is_told_until_the_invoice_holds_it(acme: Organization):
    buy_get = {
        "type": "buy_get",
        "buy": [{"code": "gold", "quantity": 2}],
        "get": [{"code": "tin", "quantity": 3}],
    }
    of = coupon(factories.percentage_promotion(acme, percentage=100, restrictions=[buy_get]))
    redemption = redeem(of)
    assert refused(lambda: apply(redemption, "in-1", line(1000, 1, "gold"))) == ("redemption", "quantity_too_low")
    outcome = apply(redemption, "in-1", line(1000, 2, "gold"))
    assert (outcome.applied, outcome.additions) == ([], [("tin", 3)])
    assert discounts() == {}
    outcome = apply(redemption, "in-1", line(1000, 2, "gold"), line(700, 2, "tin"))
    assert (taken(outcome), outcome.additions) == ({redemption.pk: 1400}, [("tin", 1)])
    outcome = apply(redemption, "in-1", line(1000, 2, "gold"), line(700, 3, "tin"))
    assert (taken(outcome), outcome.additions) == ({redemption.pk: 2100}, [])


def test_what_another_one_adds_makes_nothing_apply(acme: Organization, tenth: Coupon):
    buy_get = {"type": "buy_get", "buy": [{"code": "gold", "quantity": 1}], "get": [{"code": "tin", "quantity": 2}]}
    adding = redeem(coupon(factories.percentage_promotion(acme, restrictions=[buy_get])))
    apply(adding, "in-1", line(1000, 1, "gold"), line(500, 1, "tin"))
    amount = redeem(coupon(factories.fixed_amount_promotion(acme), "AMOUNT-OFF"))
    other_currency = partial(apply, amount, "in-1", line(1000, 1, "gold"), line(500, 1, "tin"), currency="USD")
    assert refused(other_currency) == ("redemption", "currency_mismatch")
    assert InvoiceDiscount.objects.get().currency_code == "EUR"


def test_a_sku_list_and_flex_rules_discount_invoices_too(acme: Organization):
    listed = factories.sku_list(acme, manual=False, sku_code_regex="^gold")
    of = coupon(factories.percentage_promotion(acme, sku_list=listed))
    redemption = redeem(of)
    assert refused(lambda: apply(redemption, "in-1", line(1000, 1, "tin"))) == ("redemption", "no_matching_items")
    assert taken(apply(redemption, "in-1", line(1000, 1, "gold-1"), line(500))) == {redemption.pk: 100}
    flex = redeem(coupon(factories.flex_promotion(acme), "FLEX-2026"))
    assert taken(apply(flex, "in-2", 5000)) == {flex.pk: 500}


def test_units_a_coupon_applies_to_are_the_dearest(acme: Organization):
    of = coupon(
        factories.percentage_promotion(acme, restrictions=[{"type": "plans", "codes": ["gold", "tin"]}]),
        applies_to_count=2,
    )
    redemption = redeem(of)
    assert taken(apply(redemption, "in-1", line(1000, 1, "tin"), line(3000, 3, "gold"))) == {redemption.pk: 600}


# --- Limits of one redemption ---------------------------------------------------------------------


def test_a_redemption_discounts_no_more_invoices_than_it_may(acme: Organization):
    redemption = redeem(coupon(factories.percentage_promotion(acme, discounts_per_redemption=2)))
    apply(redemption, "in-1")
    apply(redemption, "in-2")
    assert refused(lambda: apply(redemption, "in-3")) == ("redemption", "discounts_reached")
    assert taken(apply(redemption, "in-2", 500)) == {redemption.pk: 50}
    assert remove(redemption, "in-1") is True
    assert taken(apply(redemption, "in-3")) == {redemption.pk: 1000}
    assert standing(redemption) == ("committed", 2, -1050)


def test_removing_gives_back_what_was_taken_off_that_invoice_and_once_is_enough(tenth: Coupon):
    redemption = redeem(tenth)
    apply(redemption, "in-1")
    apply(redemption, "in-2", 3000)
    assert (remove(redemption, "in-1"), remove(redemption, "in-1"), remove(redemption, "in-3")) == (True, False, False)
    assert (standing(redemption), used(tenth)) == (("committed", 1, -300), (1, 300, 1))


# --- Declining balances ---------------------------------------------------------------------------


@pytest.fixture
def cheque(acme: Organization) -> Coupon:
    """Pays 100.00 EUR of invoices."""
    return coupon(
        factories.fixed_amount_promotion(acme, fixed_amount_cents=10_000, declining_balance=True), "CHEQUE-26"
    )


def entries(of: Coupon) -> list[tuple[str, int, int]]:
    rows = LedgerEntry.objects.filter(resource_type="coupons", resource_id=of.pk).order_by("pk")
    return list(rows.values_list("kind", "amount_cents", "balance_cents"))


def test_a_balance_pays_invoices_until_nothing_is_left(cheque: Coupon):
    redemption = redeem(cheque, "cus-1")
    assert taken(apply(redemption, "in-1", 6000)) == {redemption.pk: 6000}
    assert taken(apply(redemption, "in-2", 6000)) == {redemption.pk: 4000}
    assert refused(lambda: apply(redemption, "in-3", 100)) == ("redemption", "balance_used_up")
    assert refused(lambda: redeem(cheque, "cus-2")) == ("coupon", "balance_used_up")
    assert taken(apply(redemption, "in-1", 5000)) == {redemption.pk: 5000}
    remove(redemption, "in-2")
    use, refund = ledger.Kind.USE, ledger.Kind.REFUND
    assert entries(cheque) == [(use, -6000, 4000), (use, -4000, 0), (refund, 1000, 1000), (refund, 4000, 5000)]
    assert used(cheque) == (1, 5000, 1)


def test_two_redemptions_of_a_balance_never_take_more_than_it_held(cheque: Coupon):
    one, other = redeem(cheque, "cus-1"), redeem(cheque, "cus-2")
    apply(one, "in-1", 7000)
    assert taken(apply(other, "in-2", 7000)) == {other.pk: 3000}
    assert taken(apply(one, "in-1", 9000)) == {one.pk: 7000}


# --- Giving back ----------------------------------------------------------------------------------


def cancel_use(of: Redemption) -> bool:
    use = of.uses.filter(coupon__isnull=False).order_by("pk").first()
    assert use is not None
    return transacted(lambda: ahead.cancel_use(use, BY))


def test_cancelling_gives_the_use_back_and_what_was_discounted_stays_on_record(tenth: Coupon):
    redemption = redeem(tenth, "cus-1")
    apply(redemption, "in-1", 6000)
    assert (cancel_use(redemption), cancel_use(redemption)) == (True, False)
    assert standing(redemption) == ("released", 1, -600)
    assert (discounts(), used(tenth)) == ({redemption.pk: -600}, (0, 0, 0))
    assert refused(lambda: apply(redemption)) == ("redemption", "redemption_released")
    assert refused(lambda: apply(redemption, "in-2")) == ("redemption", "redemption_released")
    assert remove(redemption, "in-1") is True
    assert (standing(redemption), used(tenth)) == (("released", 0, 0), (0, 0, 0))


def test_a_balance_is_not_given_back_while_an_invoice_holds_what_it_pays(cheque: Coupon, api: Api):
    redemption = redeem(cheque, "cus-1")
    apply(redemption, "in-1", 6000)
    with nothing_written():
        with pytest.raises(Forbidden, match="remove it from those first"):
            cancel_use(redemption)
        assert refusal_of(api.update(redemption, {"_cancel": True})) == (403, "FORBIDDEN", {"pointer": "/data"})
    assert (standing(redemption), used(cheque)) == (("committed", 1, -6000), (1, 6000, 1))
    assert (remove(redemption, "in-1"), cancel_use(redemption)) == (True, True)
    assert (standing(redemption), used(cheque)) == (("released", 0, 0), (0, 0, 0))


def test_a_balance_that_pays_no_invoice_yet_is_given_back_over_the_api(cheque: Coupon, api: Api):
    redemption = redeem(cheque, "cus-1")
    assert api.update(redemption, {"_cancel": True}).status_code == 200
    assert (standing(redemption), used(cheque)) == (("released", 0, 0), (0, 0, 0))


def test_a_cancelled_redemption_takes_no_part_when_its_invoice_is_calculated_again(acme: Organization, tenth: Coupon):
    alone = coupon(factories.percentage_promotion(acme, percentage=30, exclusive_by_size=True), "ALONE-2026")
    exclusive, share = redeem(alone), redeem(tenth)
    apply(exclusive)
    cancel_use(exclusive)
    assert taken(apply(share)) == {share.pk: 1000}


def test_of_several_coupons_one_use_is_given_back_and_the_last_cancels_all(acme: Organization, tenth: Coupon):
    amount = coupon(factories.fixed_amount_promotion(acme), "AMOUNT-OFF")
    automatic = factories.percentage_promotion(acme)
    redemption = Redemption(**tenth.tenant._asdict(), state="committed", currency_code="EUR", customer_email="a@b.com")
    of_coupons = [redeeming.Taken(one.promotion_rule.promotion_id, one.pk, one.code, -1000) for one in (tenth, amount)]
    uses = [*of_coupons, redeeming.Taken(automatic.pk, None, None, -500)]
    transacted(lambda: redeeming.redeem(redemption, uses, BY))
    first, second = redemption.uses.filter(coupon__isnull=False).order_by("pk")
    assert transacted(lambda: ahead.cancel_use(first, BY)) is True
    assert transacted(lambda: ahead.cancel_use(first, BY)) is False
    assert (used(tenth), used(amount)) == ((0, 0, 0), (1, 1000, 1))
    assert standing(redemption) == ("committed", 0, -2500)
    assert transacted(lambda: ahead.cancel_use(second, BY)) is True
    assert (used(amount), standing(redemption)) == ((0, 0, 0), ("released", 0, -2500))
    assert not Use.objects.filter(is_counted=True).exists()


def test_what_belongs_to_an_order_is_applied_to_no_invoice(acme: Organization, tenth: Coupon):
    row = factories.redemption(acme, (tenth.promotion_rule.promotion, tenth), state="committed")
    assert refused(lambda: apply(row)) == ("redemption", "redemption_of_order")


# --- Meeting --------------------------------------------------------------------------------------


def asked(work: Callable[[], Any]) -> Callable[[], Any]:
    """What `work` returns, or the reason why it is refused, with a connection of its own."""

    def ask() -> Any:
        try:
            return transacted(work)
        except CodeRefused as refusal:
            return refusal.reason

    return ask


@pytest.mark.django_db(transaction=True)
def test_parallel_redemptions_keep_every_limit(acme: Organization):
    of = coupon(factories.percentage_promotion(acme, total_usage_limit=5, customer_usage_limit=2))
    names = ["cus-1", "cus-2", "cus-3"] * 4
    answers = at_once(
        *(asked(partial(ahead.redeem, of.tenant, of.code, name, [], BY)) for name in names)  # type: ignore[arg-type]
    )
    assert sum(isinstance(answer, Redemption) for answer in answers) == 5
    assert Use.objects.filter(is_counted=True).count() == 5
    per_customer = [Redemption.objects.filter(customer_reference=name).count() for name in set(names)]
    assert max(per_customer) <= 2
    assert sum(per_customer) == 5


@pytest.mark.django_db(transaction=True)
def test_parallel_applications_keep_the_discounts_of_a_redemption(acme: Organization):
    redemption = redeem(coupon(factories.percentage_promotion(acme, discounts_per_redemption=3)))
    names = [f"in-{number}" for number in range(8)] + ["in-0"] * 2
    calls = [asked(partial(invoices.apply, redemption, name, cart(redemption), BY)) for name in names]
    answers = at_once(*calls)  # type: ignore[arg-type]
    assert set(map(type, answers)) <= {invoices.Outcome, str}
    assert standing(redemption) == ("committed", 3, -3000)
    assert InvoiceDiscount.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_parallel_applications_of_an_exclusive_one_and_others_leave_one_truth(acme: Organization):
    """Whoever comes last finds what the others stored."""
    alone = coupon(factories.percentage_promotion(acme, percentage=50, exclusive_by_size=True), "ALONE-2026")
    others = [coupon(factories.percentage_promotion(acme), f"TENTH-0{number}") for number in range(4)]
    redemptions = [redeem(one, "cus-1") for one in (alone, *others)]
    at_once(*(asked(partial(invoices.apply, one, "in-1", cart(one), BY)) for one in redemptions))  # type: ignore[arg-type]
    assert discounts() == {redemptions[0].pk: -5000}


@pytest.mark.django_db(transaction=True)
def test_parallel_applications_of_several_to_several_neither_deadlock_nor_miscount(acme: Organization):
    made = [redeem(coupon(factories.percentage_promotion(acme), f"TENTH-0{number}")) for number in range(3)]
    calls = [partial(invoices.apply, one, invoice, cart(one), BY) for invoice in ("in-1", "in-2") for one in made] + [
        partial(invoices.remove, made[0], "in-1", BY),
        partial(ahead.cancel_use, made[1].uses.get(), BY),
    ]
    at_once(*map(asked, calls))  # type: ignore[arg-type]
    for one in made:
        own = InvoiceDiscount.objects.filter(redemption=one)
        assert standing(one)[1] == own.count()


@pytest.mark.django_db(transaction=True)
def test_a_balance_that_many_invoices_meet_pays_no_more_than_it_held(cheque: Coupon):
    made = [redeem(cheque, f"cus-{number}") for number in range(6)]
    calls = [asked(partial(invoices.apply, one, f"in-{one.pk}", cart(one, 3000), BY)) for one in made]
    answers = at_once(*calls)  # type: ignore[arg-type]
    paid = -sum(InvoiceDiscount.objects.values_list("discount_cents", flat=True))
    assert paid == used(cheque)[1] <= 10_000
    assert {answer for answer in answers if isinstance(answer, str)} <= {"balance_too_low", "balance_used_up"}


@pytest.mark.django_db(transaction=True)
def test_parallel_cancellations_give_back_once(tenth: Coupon):
    redemption, kept = redeem(tenth), redeem(tenth)
    use = redemption.uses.get()
    answers = at_once(*[asked(partial(ahead.cancel_use, use, BY))] * 4)
    assert sorted(answers) == [False, False, False, True]  # type: ignore[type-var]
    assert (used(tenth), standing(kept)[0]) == ((1, 0, 1), "committed")


# --- Statements -----------------------------------------------------------------------------------


def test_how_many_statements_it_takes_does_not_grow_with_what_is_applied(acme: Organization):
    def added(number: int) -> int:
        redemption = redeem(coupon(factories.percentage_promotion(acme), f"TENTH-0{number}"))
        with CaptureQueriesContext(connection) as captured:
            apply(redemption, "in-1", 10_000)
        return len([query for query in captured if query["sql"].startswith("SELECT")])

    added(0)
    counts = [added(number) for number in range(1, 4)]
    assert counts == [counts[0]] * 3


def test_customers_are_found_within_the_tenant(acme: Organization, tenth: Coupon):
    theirs = factories.customer(factories.organization(), reference="cus-1")
    assert redeem(tenth, "cus-1").customer is None
    assert Customer.objects.get() == theirs
