from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Aggregate, JSONField, OuterRef, Subquery
from django.db.models.functions import JSONArray
from rest_framework.fields import EmailField

from commerce import changes, clock, gift_cards, ids
from commerce.api import IntegerField, Resource, registry
from commerce.codes import normalise_code
from commerce.jsonapi.attribute_filters import NormalisedFilter
from commerce.jsonapi.resource import Derived, Rel, Trigger
from commerce.models import GiftCard, GiftCardRecipient, LedgerEntry
from commerce.money import MAX_CENTS
from commerce.resources.activity import EVENT_STORES, EVENTS, VERSIONS
from commerce.resources.amounts import money, told


@registry.register
class GiftCardRecipients(Resource):
    type = "gift_card_recipients"
    model = GiftCardRecipient
    attributes = ("email", "first_name", "last_name")
    filterable = ("email", "first_name", "last_name")
    sortable = ("email",)
    relationships = (Rel("customer", sortable=True), VERSIONS, EVENT_STORES)
    absent_many = ("attachments",)


# --- The ledger, as cards tell it -----------------------------------------------------------------


class JsonList(Aggregate):
    """The values of an expression as a JSON array, in no order."""

    function = "JSON_GROUP_ARRAY"
    output_field = JSONField()

    def as_postgresql(self, compiler: Any, connection: Any) -> Any:
        return self.as_sql(compiler, connection, function="JSONB_AGG")


_ENTRY = ("id", "created_at", "kind", "amount_cents", "balance_cents", "order_id", "order__number")
LEDGER = Subquery(
    LedgerEntry.objects.filter(resource_type=GiftCard.wire_type, resource_id=OuterRef("pk"))
    .order_by()
    .values("resource_id")
    .annotate(ledger=JsonList(JSONArray(*_ENTRY)))
    .values("ledger"),
    output_field=JSONField(),
)
"""What changed the balance of a card: a list of the columns of `_ENTRY` for each entry, in no order."""

Entry = list[Any]


def balance_log(ledger: Iterable[Entry] | None) -> list[dict[str, Any]]:
    """`[{"datetime": …, "balance_change_cents": -700}]`, the oldest first."""
    return [
        {"datetime": _told(created_at), "balance_change_cents": amount}
        for _, created_at, _, amount, *_ in sorted(ledger or ())
    ]


def usage_log(ledger: Iterable[Entry] | None) -> dict[str, list[dict[str, Any]]]:
    """What orders used, below zero, and got back: id of the order -> entries, the oldest first."""
    log: dict[str, list[dict[str, Any]]] = {}
    for _, created_at, kind, amount, balance, order, number in sorted(ledger or ()):
        if order is not None:
            entry = {"action": kind, "amount_cents": amount, "balance_cents": balance}
            entry |= {"order_number": number, "datetime": _told(created_at)}
            log.setdefault(ids.encode(order), []).append(entry)
    return log


def _told(moment: str) -> str:
    """A timestamp as the database writes it into JSON; SQLite leaves out that it is in UTC."""
    return clock.wire(datetime.fromisoformat(moment).replace(tzinfo=UTC))


# --- Cards ----------------------------------------------------------------------------------------


def purchase(card: GiftCard, value: Any, by: changes.By) -> None:
    card.purchase()


def activate(card: GiftCard, value: Any, by: changes.By) -> None:
    card.activate()


def deactivate(card: GiftCard, value: Any, by: changes.By) -> None:
    card.deactivate()


def with_status(rows: Any, value: str, now: datetime) -> Any:
    if value not in GiftCard.Status.values:
        raise ValidationError(f"is none of {', '.join(GiftCard.Status.values)}")
    return rows.filter(status=value)


@registry.register
class GiftCards(Resource):
    type = "gift_cards"
    model = GiftCard
    ordering = ("created_at", "pk")
    attributes = (
        "status",
        "code",
        "currency_code",
        *money("initial_balance"),
        *money("balance"),
        *money("balance_max"),
        "balance_log",
        "usage_log",
        "single_use",
        "rechargeable",
        "distribute_discount",
        "image_url",
        "expires_at",
        "recipient_email",
    )
    read_only = ("status", "initial_balance_cents")
    create_only = ("code",)
    annotations = {"ledger": LEDGER}
    columns = {
        **told("initial_balance", "initial_balance_cents", "currency_code"),
        **told("balance", "balance_cents", "currency_code"),
        **told("balance_max", "balance_max_cents", "currency_code"),
        "balance_log": Derived(balance_log, "ledger"),
        "usage_log": Derived(usage_log, "ledger"),
        "recipient_email": "gift_card_recipient__email",
    }
    sortable = ("status", "currency_code", "balance_cents", "balance_max_cents", "expires_at")
    filterable = (*sortable, "code", "single_use", "rechargeable")
    filters = {"code": NormalisedFilter("code_norm", normalise_code)}
    scopes = {"with_status": with_status}
    triggers = {
        "_purchase": Trigger(purchase, on=("update",), sets="status"),
        "_activate": Trigger(activate, on=("update",), sets="status"),
        "_deactivate": Trigger(deactivate, on=("update",), sets="status"),
    }
    setters = {"recipient_email": gift_cards.set_recipient_email, "_balance_change_cents": gift_cards.change_balance}
    update_only = ("_balance_change_cents",)
    serializer_fields = {
        "recipient_email": EmailField(max_length=255, required=False, allow_null=True),
        "_balance_change_cents": IntegerField(
            min_value=-MAX_CENTS, max_value=MAX_CENTS, required=False, allow_null=True, write_only=True
        ),
    }
    relationships = (
        Rel("market", sortable=True),
        Rel("gift_card_recipient", sortable=True),
        EVENTS,
        VERSIONS,
        EVENT_STORES,
    )
    absent_many = ("attachments",)

    def create(self, row: GiftCard, by: changes.By) -> None:
        gift_cards.create(row, by)

    def update(self, row: GiftCard, by: changes.By) -> None:
        gift_cards.save(row, by)
