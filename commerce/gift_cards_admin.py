"""Gift cards in the admin. A code is money: lists show how it ends, the page of the card shows it whole."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Case, OuterRef, QuerySet, Subquery, When
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from commerce import gift_cards, ledger
from commerce.admin import (
    ActivityAdmin,
    DetailedAdmin,
    FoundByPrefix,
    FoundExactly,
    OneTenantFilter,
    OwnedForm,
    TenantFilter,
    every_tenant,
    link,
    list_of,
    moment,
    page_of,
    resource_link,
    table,
    tenant_choice,
)
from commerce.changes import By
from commerce.codes import normalise_code
from commerce.models import GiftCard, GiftCardRecipient, LedgerEntry, Owned, normalise_email
from commerce.money import MAX_CENTS, formatted

MOST_ENTRIES = 250
"""Entries that the page of what has a balance shows, the newest."""
SHOWN_OF_CODE = 4


# --- Ledgers --------------------------------------------------------------------------------------


def ledger_table(entries: Iterable[LedgerEntry], currency_code: str | None) -> SafeString:
    """What changed balances in one currency."""
    rows = (
        (
            moment(entry.created_at),
            entry.kind,
            resource_link(entry),
            link(page_of(entry.order), entry.order) if entry.order else "",
            formatted(entry.amount_cents, currency_code),
            formatted(entry.balance_cents, currency_code),
        )
        for entry in entries
    )
    headings = ("When (UTC)", "Kind", "Of", "Order", "Amount", "Balance after it")
    return table(headings, rows, amounts=headings[4:], empty="No balance was changed.")


def newest_entries(row: Owned, currency_code: str | None) -> SafeString:
    """The end of the ledger of what has a balance."""
    newest = list(ledger.entries(row).select_related("order").order_by("-pk")[: MOST_ENTRIES + 1])
    shown = ledger_table(newest[:MOST_ENTRIES], currency_code)
    if len(newest) <= MOST_ENTRIES:
        return shown
    every = link(list_of(LedgerEntry, q=f"{row.wire_type}/{row.public_id}"), "The whole ledger")
    return format_html("{}<p>These are the newest {}. {}</p>", shown, MOST_ENTRIES, every)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ActivityAdmin):
    list_display = ("created_at", "kind", "resource_link", "order", "amount", "balance", "tenant")
    list_filter: ClassVar[Any] = (TenantFilter, "kind")
    related = ("organization", "order")
    fields = ("created_at", "organization", "mode", "kind", "resource_link", "order", "amount", "balance")

    currencies: ClassVar[dict[str, QuerySet]] = {
        GiftCard.wire_type: GiftCard.objects.filter(pk=OuterRef("resource_id")).values("currency_code")
    }
    """Type of what has a balance -> the currency of the row that an entry is of."""

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        currencies = [When(resource_type=name, then=Subquery(of_row)) for name, of_row in self.currencies.items()]
        return super().get_queryset(request).annotate(currency_code=Case(*currencies))

    @admin.display(description="Amount")
    def amount(self, row: Any) -> str | None:
        return formatted(row.amount_cents, row.currency_code)

    @admin.display(description="Balance after it")
    def balance(self, row: Any) -> str | None:
        return formatted(row.balance_cents, row.currency_code)


# --- Gift cards -----------------------------------------------------------------------------------


class GiftCardForm(OwnedForm):
    balance_change_cents = forms.IntegerField(
        required=False,
        min_value=-MAX_CENTS,
        max_value=MAX_CENTS,
        help_text="Recharges the card by so much, or takes off what is below zero.",
    )

    def _post_clean(self) -> None:
        """The balance is changed last: whatever else is changed is checked against the one that is stored."""
        super()._post_clean()
        cents = None if self.errors else self.cleaned_data.get("balance_change_cents")
        if not cents:
            return
        try:
            self.instance.change_balance(cents)
        except ValidationError as refusal:
            self.add_error("balance_change_cents", refusal.messages)


@admin.display(description="Ledger")
def ledger_of(card: GiftCard) -> SafeString:
    return newest_entries(card, card.currency_code)


@admin.register(GiftCard)
class GiftCardAdmin(DetailedAdmin, FoundByPrefix):
    form = GiftCardForm
    column = "code_norm"
    normalise = normalise_code
    search_fields = ("code_norm",)
    search_help_text = "A code or its beginning."
    ordering = ("-created_at", "-pk")
    list_display = (
        "ending",
        "status",
        "balance",
        "initial",
        "recipient",
        "expires_at",
        "tenant",
    )
    list_filter = (OneTenantFilter, "status")
    related = ("organization", "gift_card_recipient")
    sortable_by = ()
    panels = ("status", "balance", "initial")
    autocomplete_fields = ("market", "gift_card_recipient")
    fields = (
        "code",
        "market",
        "currency_code",
        "balance_cents",
        "balance_change_cents",
        "balance_max_cents",
        "single_use",
        "rechargeable",
        "distribute_discount",
        "gift_card_recipient",
        "expires_at",
        "image_url",
    )
    fixed = ("code",)
    sections = (ledger_of,)
    actions = ("purchase", "activate", "deactivate")

    @admin.display(description="Code")
    def ending(self, row: GiftCard) -> SafeString:
        shown = min(SHOWN_OF_CODE, len(row.code) // 2)
        return format_html('<span class="nowrap">…{}</span>', row.code[len(row.code) - shown :])

    @admin.display(description="Balance")
    def balance(self, row: GiftCard) -> str | None:
        return formatted(row.balance_cents, row.currency_code)

    @admin.display(description="Initially")
    def initial(self, row: GiftCard) -> str | None:
        return formatted(row.initial_balance_cents, row.currency_code)

    @admin.display(description="Recipient")
    def recipient(self, row: GiftCard) -> GiftCardRecipient | None:
        return row.gift_card_recipient

    def field_names(self, row: Any) -> Sequence[str]:
        """A new card is given its balance; later it is changed."""
        left_out = "balance_change_cents" if row is None else "balance_cents"
        return [name for name in self.fields if name != left_out]

    @admin.action(description="Confirm the purchase", permissions=["act"])
    def purchase(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._move(request, queryset, GiftCard.purchase, "confirmed")

    @admin.action(description="Activate", permissions=["act"])
    def activate(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._move(request, queryset, GiftCard.activate, "activated")

    @admin.action(description="Deactivate", permissions=["act"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._move(request, queryset, GiftCard.deactivate, "deactivated")

    def _move(self, request: HttpRequest, queryset: QuerySet, move: Callable[[GiftCard], None], told: str) -> None:
        def step(card: GiftCard, who: By) -> None:
            move(card)
            gift_cards.save(card, who)

        self.act(request, queryset, step, told)


# --- Recipients -----------------------------------------------------------------------------------


def with_email(term: str) -> QuerySet:
    return GiftCardRecipient.objects.filter(**every_tenant(), email_norm=normalise_email(term)).values("pk")


@admin.display(description="Gift cards")
def cards_of_recipient(recipient: GiftCardRecipient) -> SafeString:
    return link(
        list_of(GiftCard, tenant=tenant_choice(recipient), gift_card_recipient__id__exact=recipient.pk), "Gift cards"
    )


@admin.register(GiftCardRecipient)
class GiftCardRecipientAdmin(FoundExactly):
    finders = (with_email,)
    search_fields = ("email_norm",)
    search_help_text = "An e-mail address, whole."
    list_display = ("email", "first_name", "last_name", "customer", "tenant", "created_at")
    list_filter = (TenantFilter,)
    related = ("organization", "customer")
    sortable_by = ()
    panels = (cards_of_recipient,)
    autocomplete_fields = ("customer",)
    fields = ("email", "first_name", "last_name", "customer")
