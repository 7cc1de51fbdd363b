"""External promotions: the order goes to a service of the client's, which says what to take off.

The service answers one of
    {"success": true, "data": {"name": "Loyalty", "discount_cents": 1500, "metadata": {...}, "line_items": [...]}}
    {"success": false, "error": {"code": "NOT_A_MEMBER", "message": "No such member."}}
where `metadata` and `line_items` may be left out. `line_items` holds the lines that the discount is for, as ids, as
`{"id": ...}`, or each with its own part of it as `{"id": ..., "discount_cents": ...}`; then `discount_cents` is their
sum and may be left out. The names are those of docs.commercelayer.io, "External promotions", whose older editions
write "true" and "false" as strings; the shapes of `line_items` follow its prose, for its examples are not at hand.
"""

import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import orjson
from django.core.cache import cache

from commerce import changes, ids, outgoing, repeating
from commerce.jsonapi.parser import is_storable
from commerce.money import MAX_CENTS
from commerce.outgoing import CalloutFailed, Reply
from commerce.repeating import Deferred
from promotions.engine.reasons import Refusal
from promotions.engine.types import Outcome
from promotions.models import ExternalPromotion

LIFE = 60
"""Seconds an answer is kept for the same question, so that placing an order asks nothing its last refresh asked."""
MAX_NAME_LENGTH = 255


class BadAnswer(Exception):
    """An answer that is not of the form; says what is wrong with it."""


def ask(promotion: ExternalPromotion, document: bytes, lines: Mapping[str, int], by: changes.By) -> Outcome:
    """What the service behind an external promotion takes off the order in `document`, or a refusal `external_failed`.

    `lines` maps the ids of line items in the document to the engine's. No answer, a status of 5xx and a bad answer
    count as failures; more than `outgoing.MAX_FAILURES` in a row open the circuit, after which the service is not
    called any more until the count is reset. A service that declines works: that is an answer like a discount. The
    event `external_promotions.failed` tells of the circuit that opens, not of every failure.

    Raises Deferred inside a transaction, unless the answer is known to whoever repeats it or kept.
    """
    # A customer that a transaction creates has another id each time: codes and e-mails tell what ids would.
    question = _key(promotion, _PUBLIC_IDS.sub(b"", document), lines)
    told: Outcome | None = repeating.answered(question)
    if told:
        return told
    kept = cache.get(_key(promotion, document, lines))
    if kept is not None:
        return read_answer(kept, lines)
    call = partial(_call, promotion, document, lines, by)
    if repeating.in_transaction():
        raise Deferred({question: call})
    return call()


def read_answer(body: bytes, lines: Mapping[str, int]) -> Outcome:
    """The outcome that an answer tells; of one that declines, the refusal with its code and message.

    A discount of 0 is none, not an error. Raises BadAnswer.
    """
    answer = _object(_parsed(body), "the answer")
    if answer.get("success") in (False, "false"):
        return _declined(answer.get("error"))
    if answer.get("success") not in (True, "true"):
        raise BadAnswer("success must be true or false")
    data = _object(answer.get("data"), "data")
    named = _lines(data.get("line_items"), lines)
    shares = [cents for _, cents in named if cents is not None]
    discount = _cents(data.get("discount_cents", sum(shares) if shares else None), "discount_cents")
    if shares and len(shares) < len(named):
        raise BadAnswer("line_items must all have a discount_cents, or none of them")
    if shares and sum(shares) != discount:
        raise BadAnswer(f"discount_cents must be the sum of its line_items, {sum(shares)}")
    metadata = None if data.get("metadata") is None else _object(data["metadata"], "metadata")
    return Outcome(discount, named, _text(data.get("name"), "name"), metadata)


# --- Reading ----------------------------------------------------------------------------------------


def _parsed(body: bytes) -> Any:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadAnswer("the answer is not JSON") from None
    if not is_storable(answer):
        raise BadAnswer("the answer can't be stored: it holds a NUL character or is too deep")
    return answer


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadAnswer(f"{name} must be an object")
    return value


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not 0 < len(value.strip()) <= MAX_NAME_LENGTH:
        raise BadAnswer(f"{name} must be a text of up to {MAX_NAME_LENGTH} characters")
    return value.strip()


def _cents(value: Any, name: str) -> int:
    if type(value) is not int or not 0 <= value <= MAX_CENTS:
        raise BadAnswer(f"{name} must be a whole number of cents, not below 0")
    return value


def _lines(value: Any, lines: Mapping[str, int]) -> tuple[tuple[int, int | None], ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise BadAnswer("line_items must be a list")
    named = [_line(item, lines) for item in value]
    if len({line for line, _ in named}) < len(named):
        raise BadAnswer("line_items must name each line once")
    return tuple(named)


def _line(item: Any, lines: Mapping[str, int]) -> tuple[int, int | None]:
    item = {"id": item} if isinstance(item, str) else _object(item, "a line item")
    line = lines.get(item["id"]) if isinstance(item.get("id"), str) else None
    if line is None:
        raise BadAnswer("line_items must be lines of the order that can be discounted")
    return line, None if item.get("discount_cents") is None else _cents(item["discount_cents"], "discount_cents")


def _declined(error: Any) -> Outcome:
    error = _object(error, "error")
    return _refused(f"{_text(error.get('code'), 'code')}: {_text(error.get('message'), 'message')}")


def _refused(cause: str) -> Outcome:
    return Outcome(refusal=Refusal("external_failed", cause=cause))


# --- Asking -----------------------------------------------------------------------------------------


def _call(promotion: ExternalPromotion, document: bytes, lines: Mapping[str, int], by: changes.By) -> Outcome:
    failures = _failures(promotion)
    if outgoing.circuit_state(failures) == "open":
        return _refused("its circuit is open after too many failures")
    try:
        reply = outgoing.post(promotion.promotion_url or "", document, promotion.shared_secret)
        outcome = _read(reply, lines)
    except (CalloutFailed, BadAnswer) as error:
        _count_failure(promotion, by)
        return _refused(str(error))
    cache.set(_key(promotion, document, lines), reply.body, LIFE)
    if failures:
        changes.reset(ExternalPromotion, promotion.pk, "circuit_failure_count")
    return outcome


def _key(promotion: ExternalPromotion, document: bytes, lines: Mapping[str, int]) -> str:
    """Who is asked what. Not the revision, which every use of the promotion raises."""
    asked = f"{promotion.promotion_url}\n{promotion.shared_secret}\n{sorted(lines.items())}\n".encode() + document
    return f"callout:{promotion.pk}:{hashlib.sha256(asked).hexdigest()}"


_PUBLIC_IDS = re.compile(rb'"id":"[A-Za-z]{%d}"' % ids.LENGTH)


def _read(reply: Reply, lines: Mapping[str, int]) -> Outcome:
    if 200 <= reply.status < 300:
        return read_answer(reply.body, lines)
    if 400 <= reply.status < 500:
        with suppress(BadAnswer):
            outcome = read_answer(reply.body, lines)
            if outcome.refusal:
                return outcome
    raise BadAnswer(f"it answered with status {reply.status}")


def _failures(promotion: ExternalPromotion) -> int:
    """As they are now: what the caller knows of the promotion may be older."""
    rows = ExternalPromotion.objects.owned_by(promotion.tenant).filter(pk=promotion.pk)
    return rows.values_list("circuit_failure_count", flat=True).first() or 0


def _count_failure(promotion: ExternalPromotion, by: changes.By) -> None:
    with changes.atomic():
        changes.count(ExternalPromotion, promotion.pk, circuit_failure_count=1)
        if _failures(promotion) == outgoing.MAX_FAILURES + 1:
            changes.record(promotion, "failed", {"circuit_state": ["closed", "open"]}, by)
