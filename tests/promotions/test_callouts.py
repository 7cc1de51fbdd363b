"""What external promotions answer, and when they are asked."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import orjson
import pytest
from django.conf import LazySettings
from django.db import transaction
from django.http import HttpResponse

from commerce import changes, ids, repeating
from commerce.models import Customer, Event, Order, Organization, Version
from commerce.repeating import Deferred
from promotions import callouts
from promotions.callouts import BadAnswer
from promotions.engine.types import Outcome
from promotions.models import ExternalPromotion
from tests import factories
from tests.client import Api
from tests.factories import BY
from tests.listener import Listener, listening

LINES = {"wBXVhKzrnq": 7, "yQjYtnzxzj": 8}
DOCUMENT = b'{"data":{"type":"orders"}}'


def answer(**data: Any) -> bytes:
    return orjson.dumps({"success": True, "data": {"name": "Loyalty", "discount_cents": 1500, **data}})


# --- Reading ----------------------------------------------------------------------------------------

READ = {
    "the whole order": (answer(), Outcome(1500, (), "Loyalty")),
    "nothing": (answer(discount_cents=0), Outcome(0, (), "Loyalty")),
    "success as an older service tells it": (
        b'{"success": "true", "data": {"name": " Loyalty ", "discount_cents": 1}}',
        Outcome(1, (), "Loyalty"),
    ),
    "metadata": (answer(metadata={"tier": "gold"}), Outcome(1500, (), "Loyalty", {"tier": "gold"})),
    "no metadata and no lines": (answer(metadata=None, line_items=None), Outcome(1500, (), "Loyalty")),
    "lines by id": (answer(line_items=["yQjYtnzxzj"]), Outcome(1500, ((8, None),), "Loyalty")),
    "lines as objects": (
        answer(line_items=[{"id": "yQjYtnzxzj", "type": "line_items"}, {"id": "wBXVhKzrnq"}]),
        Outcome(1500, ((8, None), (7, None)), "Loyalty"),
    ),
    "lines with their own discounts": (
        answer(
            line_items=[{"id": "yQjYtnzxzj", "discount_cents": 500}, {"id": "wBXVhKzrnq", "discount_cents": 1000}],
        ),
        Outcome(1500, ((8, 500), (7, 1000)), "Loyalty"),
    ),
    "lines whose discounts are the whole": (
        b'{"success": true, "data": {"name": "Loyalty", "line_items": [{"id": "yQjYtnzxzj", "discount_cents": 500}]}}',
        Outcome(500, ((8, 500),), "Loyalty"),
    ),
    "members that nobody knows": (answer(currency="EUR"), Outcome(1500, (), "Loyalty")),
}


@pytest.mark.parametrize(("body", "outcome"), READ.values(), ids=READ)
def test_an_answer_is_read(body: bytes, outcome: Outcome) -> None:
    assert callouts.read_answer(body, LINES) == outcome


CENTS = "discount_cents must be a whole number of cents, not below 0"
FOREIGN = "line_items must be lines of the order that can be discounted"
BAD = {
    "no JSON": (b"<html>", "the answer is not JSON"),
    "nothing at all": (b"", "the answer is not JSON"),
    "no object": (b"[]", "the answer must be an object"),
    "no success": (b'{"data": {"name": "Loyalty", "discount_cents": 1}}', "success must be true or false"),
    "another success": (b'{"success": "yes"}', "success must be true or false"),
    "success as a list": (b'{"success": [true]}', "success must be true or false"),
    "no data": (b'{"success": true}', "data must be an object"),
    "data as a list": (b'{"success": true, "data": []}', "data must be an object"),
    "no discount": (b'{"success": true, "data": {"name": "Loyalty"}}', CENTS),
    "a negative discount": (answer(discount_cents=-1500), CENTS),
    "a fraction": (answer(discount_cents=15.5), CENTS),
    "a whole float": (answer(discount_cents=1500.0), CENTS),
    "a text": (answer(discount_cents="1500"), CENTS),
    "a truth": (answer(discount_cents=True), CENTS),
    "null": (answer(discount_cents=None), CENTS),
    "more than money goes": (answer(discount_cents=10**18), CENTS),
    "a number beyond any": (b'{"success": true, "data": {"name": "a", "discount_cents": 1%s}}' % (b"0" * 40), CENTS),
    "no name": (answer(name=None), "name must be a text of up to 255 characters"),
    "an empty name": (answer(name="  "), "name must be a text of up to 255 characters"),
    "a long name": (answer(name="x" * 256), "name must be a text of up to 255 characters"),
    "metadata as a text": (answer(metadata="gold"), "metadata must be an object"),
    "a NUL": (answer(name="a\0"), "the answer can't be stored: it holds a NUL character or is too deep"),
    "depth": (
        b'{"success": true, "data": %s%s}' % (b"[" * 500, b"]" * 500),
        "the answer can't be stored: it holds a NUL character or is too deep",
    ),
    "lines as an object": (answer(line_items={}), "line_items must be a list"),
    "a line as a number": (answer(line_items=[7]), "a line item must be an object"),
    "a foreign line": (answer(line_items=["wBXVhKzrnq", "AAAAAAAAAA"]), FOREIGN),
    "a line without an id": (answer(line_items=[{"discount_cents": 1500}]), FOREIGN),
    "an id that is no text": (answer(line_items=[{"id": ["wBXVhKzrnq"]}]), FOREIGN),
    "a line twice": (answer(line_items=["wBXVhKzrnq", {"id": "wBXVhKzrnq"}]), "line_items must name each line once"),
    "own discounts for some": (
        answer(line_items=[{"id": "wBXVhKzrnq", "discount_cents": 1500}, "yQjYtnzxzj"]),
        "line_items must all have a discount_cents, or none of them",
    ),
    "own discounts that differ from the sum": (
        answer(line_items=[{"id": "wBXVhKzrnq", "discount_cents": 1499}]),
        "discount_cents must be the sum of its line_items, 1499",
    ),
    "a negative own discount": (answer(line_items=[{"id": "wBXVhKzrnq", "discount_cents": -1}]), CENTS),
    "a true own discount": (answer(line_items=[{"id": "wBXVhKzrnq", "discount_cents": True}]), CENTS),
    "no error": (b'{"success": false}', "error must be an object"),
    "an error without a message": (
        b'{"success": false, "error": {"code": "NO"}}',
        "message must be a text of up to 255 characters",
    ),
}


@pytest.mark.parametrize(("body", "problem"), BAD.values(), ids=BAD)
def test_a_bad_answer_is_told(body: bytes, problem: str) -> None:
    with pytest.raises(BadAnswer) as bad:
        callouts.read_answer(body, LINES)
    assert str(bad.value) == problem


@pytest.mark.parametrize("success", ["false", '"false"'])
def test_an_answer_that_declines_is_a_refusal_in_its_own_words(success: str) -> None:
    body = f'{{"success": {success}, "error": {{"code": "NOT_A_MEMBER", "message": "No such member."}}}}'

    refusal = callouts.read_answer(body.encode(), LINES).refusal

    assert refusal.reason == "external_failed"
    assert refusal.cause == "NOT_A_MEMBER: No such member."


# --- Asking -----------------------------------------------------------------------------------------

DECLINED = b'{"success": false, "error": {"code": "NOT_A_MEMBER", "message": "No such member."}}'


@pytest.fixture
def service(settings: LazySettings) -> Iterator[Listener]:
    with listening() as listener:
        settings.OUTGOING_ALLOWED_HOSTS = [listener.place]
        listener.answers(answer())
        yield listener


@pytest.fixture
def promotion(acme: Organization, service: Listener) -> ExternalPromotion:
    return factories.external_promotion(acme, promotion_url=f"http://{service.place}/discount")


def ask(promotion: ExternalPromotion, document: bytes = DOCUMENT) -> Outcome:
    return callouts.ask(promotion, document, LINES, BY)


def failures(promotion: ExternalPromotion) -> int:
    promotion.refresh_from_db()
    return promotion.circuit_failure_count


def having_failed(promotion: ExternalPromotion, times: int) -> None:
    changes.count(ExternalPromotion, promotion.pk, circuit_failure_count=times)


def test_the_service_is_sent_the_signed_document(promotion: ExternalPromotion, service: Listener) -> None:
    assert ask(promotion) == Outcome(1500, (), "Loyalty")

    (request,) = service.received
    assert (request.path, request.body) == ("/discount", DOCUMENT)
    assert request.headers["x-commercelayer-signature"] == callouts.outgoing.signature(
        DOCUMENT, promotion.shared_secret
    )


def test_the_same_question_is_asked_once_and_another_again(promotion: ExternalPromotion, service: Listener) -> None:
    outcomes = [ask(promotion, document) for document in (b"{}", b"{}", b'{"data":null}', b"{}")]

    assert outcomes == [Outcome(1500, (), "Loyalty")] * 4
    assert [request.body for request in service.received] == [b"{}", b'{"data":null}']


def test_using_the_promotion_asks_nothing_anew_and_another_secret_does(
    promotion: ExternalPromotion, service: Listener
) -> None:
    ask(promotion)
    changes.count(ExternalPromotion, promotion.pk, total_usage_count=1)
    ask(promotion)
    assert len(service.received) == 1

    promotion.refresh_from_db()
    promotion.shared_secret = "0123456789abcdef0123456789abcdef"
    changes.save(promotion, BY)
    ask(promotion)
    assert len(service.received) == 2


def test_each_promotion_is_asked_for_itself(
    promotion: ExternalPromotion, service: Listener, acme: Organization
) -> None:
    other = factories.external_promotion(
        acme, promotion_url=promotion.promotion_url, shared_secret=promotion.shared_secret
    )

    ask(promotion)
    ask(other)

    assert len(service.received) == 2


@pytest.mark.parametrize("status", [200, 403, 422])
def test_a_service_that_declines_works(promotion: ExternalPromotion, service: Listener, status: int) -> None:
    having_failed(promotion, 3)
    service.answers(DECLINED, status)

    assert [ask(promotion).refusal.cause for _ in range(2)] == ["NOT_A_MEMBER: No such member."] * 2
    assert len(service.received) == 1
    assert failures(promotion) == 0


@pytest.mark.parametrize(
    ("status", "body", "cause"),
    [
        (200, b"", "the answer is not JSON"),
        (200, answer(discount_cents=-1), CENTS),
        (302, answer(), "it answered with status 302"),
        (404, b"<html>", "it answered with status 404"),
        (404, answer(), "it answered with status 404"),
        (500, answer(), "it answered with status 500"),
        (503, DECLINED, "it answered with status 503"),
    ],
)
def test_a_failure_is_counted_and_asked_again(
    promotion: ExternalPromotion, service: Listener, status: int, body: bytes, cause: str
) -> None:
    service.answers(body, status)

    outcomes = [ask(promotion) for _ in range(2)]

    assert [(outcome.discount_cents, outcome.refusal.cause) for outcome in outcomes] == [(0, cause)] * 2
    assert len(service.received) == 2
    assert failures(promotion) == 2
    assert not Event.objects.filter(name="external_promotions.failed").exists()


def test_a_service_that_may_not_be_called_is_a_failure(
    promotion: ExternalPromotion, service: Listener, settings: LazySettings
) -> None:
    settings.OUTGOING_ALLOWED_HOSTS = []

    assert ask(promotion).refusal.cause == "its URL must begin with https://"
    assert failures(promotion) == 1
    assert service.received == []


def test_an_answer_closes_the_count_and_writes_nothing_where_it_is_zero(
    promotion: ExternalPromotion, service: Listener
) -> None:
    having_failed(promotion, 30)
    ask(promotion, b"{}")
    assert failures(promotion) == 0
    revision = promotion.revision

    ask(promotion, b"[]")
    assert (failures(promotion), promotion.revision) == (0, revision)


def test_the_circuit_opens_with_the_thirty_first_failure_and_tells_it_once(
    promotion: ExternalPromotion, service: Listener
) -> None:
    service.answers(b"", 500)
    having_failed(promotion, 29)

    ask(promotion)
    assert (failures(promotion), promotion.circuit_state) == (30, "closed")
    assert not Event.objects.filter(name="external_promotions.failed").exists()

    ask(promotion)
    assert (failures(promotion), promotion.circuit_state) == (31, "open")
    assert Event.objects.get(name="external_promotions.failed").resource_id == promotion.pk
    assert Version.objects.get(event="update").changes == {"circuit_state": ["closed", "open"]}

    service.answers(answer())
    assert ask(promotion).refusal.cause == "its circuit is open after too many failures"
    assert failures(promotion) == 31
    assert len(service.received) == 2
    assert Event.objects.filter(name="external_promotions.failed").count() == 1


def test_a_circuit_that_is_reset_asks_again(promotion: ExternalPromotion, service: Listener) -> None:
    having_failed(promotion, 31)
    changes.reset(ExternalPromotion, promotion.pk, "circuit_failure_count")

    assert ask(promotion) == Outcome(1500, (), "Loyalty")


def test_what_was_answered_is_kept_while_the_circuit_is_open(promotion: ExternalPromotion, service: Listener) -> None:
    ask(promotion)
    having_failed(promotion, 31)

    assert ask(promotion) == Outcome(1500, (), "Loyalty")
    assert len(service.received) == 1


# --- Inside a transaction ---------------------------------------------------------------------------


def in_a_transaction(*promotions: ExternalPromotion, document: bytes = DOCUMENT) -> list[Outcome]:
    """As an order is priced: what they take off, and a customer that is there only if it comes to that."""

    def work() -> list[Outcome]:
        with transaction.atomic():
            factories.customer(promotions[0].organization)
            asked = {one.pk: partial(callouts.ask, one, document, LINES, BY) for one in promotions}
            return list(repeating.together(asked).values())

    return repeating.repeated(work)


def test_no_service_is_asked_inside_a_transaction(promotion: ExternalPromotion, service: Listener) -> None:
    with pytest.raises(Deferred, match="outside of any transaction"), transaction.atomic():
        ask(promotion)

    assert service.received == []


def test_a_transaction_that_has_to_ask_is_done_again_with_the_answer(
    promotion: ExternalPromotion, service: Listener
) -> None:
    assert in_a_transaction(promotion) == [Outcome(1500, (), "Loyalty")]

    assert len(service.received) == 1
    assert Customer.objects.count() == 1


def test_what_is_kept_defers_nothing(promotion: ExternalPromotion, service: Listener) -> None:
    ask(promotion)
    with transaction.atomic():
        assert ask(promotion) == Outcome(1500, (), "Loyalty")


def test_a_service_that_fails_is_asked_once_a_request(promotion: ExternalPromotion, service: Listener) -> None:
    service.answers(b"", 503)

    assert [outcome.refusal.cause for outcome in in_a_transaction(promotion)] == ["it answered with status 503"]
    assert (len(service.received), failures(promotion)) == (1, 1)

    in_a_transaction(promotion)
    assert (len(service.received), failures(promotion)) == (2, 2)


def test_all_that_are_not_known_are_asked_before_the_transaction_is_done_again(
    promotion: ExternalPromotion, service: Listener, acme: Organization
) -> None:
    other = factories.external_promotion(acme, promotion_url=promotion.promotion_url)
    attempts = []

    def work() -> Any:
        attempts.append(1)
        with transaction.atomic():
            return repeating.together({one.pk: partial(ask, one) for one in (promotion, other)})

    assert repeating.repeated(work) == dict.fromkeys((promotion.pk, other.pk), Outcome(1500, (), "Loyalty"))
    assert (len(service.received), len(attempts)) == (2, 2)


def test_an_id_that_differs_when_a_transaction_is_repeated_asks_nothing_anew(
    promotion: ExternalPromotion, service: Listener
) -> None:
    def work() -> Outcome:
        with transaction.atomic():
            document = b'{"data":{"type":"customers","id":"%s","code":"A"}}' % ids.encode(ids.new_key()).encode()
            return ask(promotion, document)

    assert repeating.repeated(work) == Outcome(1500, (), "Loyalty")
    assert len(service.received) == 1


@pytest.mark.django_db(transaction=True)
def test_outside_of_tests_it_is_asked_without_a_transaction(promotion: ExternalPromotion) -> None:
    assert ask(promotion) == Outcome(1500, (), "Loyalty")


# --- For an order, over the API ---------------------------------------------------------------------


@pytest.fixture
def cart(api: Api, acme: Organization) -> Order:
    """An empty order in a market where SHIRT costs 50.00 EUR."""
    order = factories.order(acme)
    factories.price(factories.sku(acme, code="SHIRT"), order.market.price_list, amount_cents=5000)
    return order


def shirts(api: Api, order: Order, quantity: int = 1) -> HttpResponse:
    return api.create("line_items", {"sku_code": "SHIRT", "quantity": quantity}, order=order)


def amounts(order: Order) -> tuple[int, int]:
    order.refresh_from_db()
    return order.discount_amount_cents, order.total_amount_cents


def test_an_order_is_priced_by_what_a_service_says_of_a_line_that_is_not_stored_yet(
    api: Api, cart: Order, promotion: ExternalPromotion, service: Listener
) -> None:
    assert shirts(api, cart).status_code == 201

    assert amounts(cart) == (-1500, 3500)
    (request,) = service.received
    (line,) = [row for row in orjson.loads(request.body)["included"] if row["type"] == "line_items"]
    assert line["id"] == cart.line_items.get(item_type="skus").public_id
    assert Version.objects.filter(resource_type="line_items", event="create").count() == 1


def test_a_customer_that_is_made_with_the_answer_is_made_once(
    api: Api, cart: Order, promotion: ExternalPromotion, service: Listener
) -> None:
    shirts(api, cart)
    assert api.update(cart, {"customer_email": "new@example.com"}).status_code == 200

    assert Customer.objects.get().email == "new@example.com"
    assert len(service.received) == 2
    assert amounts(cart) == (-1500, 3500)


def test_an_order_can_be_made_where_services_are_asked(
    api: Api, cart: Order, promotion: ExternalPromotion, service: Listener
) -> None:
    answer = api.create("orders", {"customer_email": "new@example.com"}, market=cart.market)

    assert answer.status_code == 201
    assert service.received == []
    assert Order.objects.count() == 2


def test_an_order_goes_without_a_service_that_fails(
    api: Api, cart: Order, promotion: ExternalPromotion, service: Listener
) -> None:
    service.answers(b"", 503)
    assert shirts(api, cart).status_code == 201

    assert amounts(cart) == (0, 5000)
    assert (len(service.received), failures(promotion)) == (1, 1)
