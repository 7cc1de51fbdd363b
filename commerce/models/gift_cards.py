import uuid
from datetime import datetime
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q

from commerce.codes import LONGEST_CODE, clean_code, code_lengths
from commerce.models.activity import Activity
from commerce.models.amounts import cents_field, inherit_currency
from commerce.models.customers import Customer
from commerce.models.markets import Market
from commerce.models.owned import Owned, OwnedQuerySet
from commerce.models.recipients import Recipient
from commerce.models.records import Unguessable, invalid
from commerce.money import MAX_CENTS, CurrencyCodeField


class GiftCardRecipient(Recipient):
    """Whoever a gift card is meant for."""

    wire_type = "gift_card_recipients"

    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, null=True, blank=True, related_name="gift_card_recipients"
    )

    class Meta:
        indexes = [
            models.Index(fields=["organization", "mode", "id"], name="gift_card_recipient_tenant"),
            models.Index(fields=["organization", "mode", "email_norm"], name="gift_card_recipient_email"),
        ]


class GiftCardQuerySet(OwnedQuerySet):
    def usable(self, now: datetime) -> Self:
        """Those that can pay now."""
        open_ended = Q(expires_at__isnull=True) | Q(expires_at__gt=now)
        return self.filter(open_ended, status=GiftCard.Status.ACTIVE, balance_cents__gt=0)

    def with_code_prefix(self, code_norm: str) -> Self:
        """Those whose code begins with it, the shortest first; an index is walked."""
        beginning = (code_norm, f"{code_norm}\U0010ffff")
        return self.filter(code_norm__bytewise__range=beginning).order_by("code_norm__bytewise")


class GiftCard(Unguessable, Owned):
    """Money paid in advance. `balance_cents` is what its ledger entries sum to."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        INACTIVE = "inactive"
        ACTIVE = "active"
        REDEEMED = "redeemed"

    wire_type = "gift_cards"

    status = models.CharField(max_length=8, choices=Status, default=Status.DRAFT, editable=False)
    code = models.CharField(max_length=LONGEST_CODE, blank=True)
    code_norm = models.CharField(max_length=LONGEST_CODE, editable=False)
    currency_code = CurrencyCodeField(null=True, blank=True)
    initial_balance_cents = cents_field(null=False, default=0, editable=False)
    balance_cents = cents_field(null=False, blank=False)
    balance_max_cents = cents_field()
    single_use = models.BooleanField(default=False)
    rechargeable = models.BooleanField(default=True)
    distribute_discount = models.BooleanField(default=True)
    image_url = models.CharField(max_length=2000, null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    market = models.ForeignKey(Market, on_delete=models.PROTECT, null=True, blank=True, related_name="gift_cards")
    gift_card_recipient = models.ForeignKey(
        GiftCardRecipient, on_delete=models.PROTECT, null=True, blank=True, related_name="gift_cards"
    )

    objects: ClassVar[Any] = GiftCardQuerySet.as_manager()

    unversioned = Owned.unversioned | {"code", "code_norm"}
    taken = {"gift_card_code": "code"}

    class Meta:
        indexes = [
            models.Index(fields=["organization", "mode", "id"], name="gift_card_tenant"),
            models.Index(fields=["organization", "mode", "created_at", "id"], name="gift_card_created"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["organization", "mode", "code_norm"], name="gift_card_code"),
            models.CheckConstraint(condition=Q(balance_cents__gte=0), name="gift_card_balance"),
        ]

    def __str__(self) -> str:
        return f"gift card {self.public_id}"

    def clean(self) -> None:
        if self.code != self.stored("code") or not self.code:
            self.code = self.code or str(uuid.uuid4())[: self.organization.setting("gift_cards_max_code_length")]
            clean_code(self, *code_lengths(self.organization, "gift_cards"))
        self._clean_currency()
        self._clean_balance()

    def _clean_currency(self) -> None:
        has_other_market = self.market_id != self.stored("market_id")
        if self._state.adding or has_other_market or self.currency_code != self.stored("currency_code"):
            inherit_currency(self)
        if not self._state.adding and self.currency_code != self.stored("currency_code"):
            self._check_open("market" if has_other_market else "currency_code")

    def _clean_balance(self) -> None:
        """A draft begins with whatever its balance is; later the balance is changed, not set."""
        if not self._state.adding and self.balance_cents != self.stored("balance_cents"):
            self._check_open("balance_cents")
        if self.stored("status") in (None, self.Status.DRAFT):
            self.initial_balance_cents = self.balance_cents
        limits = (self.balance_cents, self.balance_max_cents)
        has_changed = limits != (self.stored("balance_cents"), self.stored("balance_max_cents"))
        if has_changed and None not in limits and self.balance_max_cents < self.balance_cents:
            raise invalid("balance_max_cents", f"must be at least the balance, {self.balance_cents} cents")

    def _check_open(self, name: str) -> None:
        """What a card is worth is set while it is a draft that no order buys, for the price is its balance."""
        status = self.stored("status")
        if status != self.Status.DRAFT:
            raise invalid(name, f"sets what a card is worth that is {status} already")
        if self.line_items.exists():
            raise invalid(name, "sets what a card is worth that is in an order")

    def purchase(self) -> None:
        """Confirms a draft, which then waits to be activated."""
        self._move("_purchase", self.Status.DRAFT, self.Status.INACTIVE)

    def activate(self) -> None:
        self._move("_activate", self.Status.INACTIVE, self.Status.ACTIVE)

    def deactivate(self) -> None:
        self._move("_deactivate", self.Status.ACTIVE, self.Status.INACTIVE)

    def withdraw(self) -> None:
        """Nobody paid for it in the end."""
        if self.status in (self.Status.ACTIVE, self.Status.REDEEMED):
            self.status = self.Status.INACTIVE

    def _move(self, trigger: str, former: str, new: str) -> None:
        if self.status != former:
            raise invalid(trigger, f"is not possible: the card is {self.status}")
        self.status = new

    def change_balance(self, cents: int) -> None:
        """Recharges the card, or takes off what is below zero, within what it may hold."""
        balance = self.balance_cents + cents
        most = MAX_CENTS if self.balance_max_cents is None else self.balance_max_cents
        trigger = "_balance_change_cents"
        if cents and self.status == self.Status.DRAFT:
            self._check_open(trigger)
        if balance < 0:
            raise invalid(trigger, f"takes off more than the balance, {self.balance_cents} cents")
        if cents > 0 and (not self.rechargeable or self.status == self.Status.REDEEMED):
            raise invalid(trigger, "must not be positive: the card cannot be recharged")
        if cents > 0 and balance > most:
            raise invalid(trigger, f"makes the balance more than the card may hold, {most} cents")
        self.balance_cents = balance

    def follow_use(self, *, is_used: bool) -> None:
        """Redeemed when nothing can be paid with it any more. `is_used` tells whether the order keeps what it used."""
        is_spent = self.balance_cents == 0 and not self.rechargeable
        if self.status in (self.Status.ACTIVE, self.Status.REDEEMED):
            redeemed = is_spent or (self.single_use and is_used)
            self.status = self.Status.REDEEMED if redeemed else self.Status.ACTIVE

    def is_usable(self, now: datetime) -> bool:
        """Whether it can pay."""
        lasts = self.expires_at is None or self.expires_at > now
        return self.status == self.Status.ACTIVE and self.balance_cents > 0 and lasts


class LedgerEntry(Activity):
    """A change of the balance of something, appended by `commerce.ledger` and never edited."""

    class Kind(models.TextChoices):
        ISSUE = "issue"
        USE = "use"
        REFUND = "refund"
        CHANGE = "change"

    wire_type = "ledger_entries"

    kind = models.CharField(max_length=6, choices=Kind)
    amount_cents = models.BigIntegerField()
    balance_cents = models.BigIntegerField()
    """The balance after it."""
    order = models.ForeignKey("commerce.Order", on_delete=models.PROTECT, null=True, related_name="ledger_entries")

    class Meta:
        verbose_name_plural = "ledger entries"
        indexes = [
            models.Index(fields=["resource_type", "resource_id", "id"], name="ledger_entry_resource"),
            models.Index(fields=["organization", "mode", "id"], name="ledger_entry_tenant"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount_cents}"
