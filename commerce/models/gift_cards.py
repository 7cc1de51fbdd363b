import uuid
from datetime import datetime
from typing import Any, ClassVar, Self

from django.core.validators import EmailValidator
from django.db import models
from django.db.models import Q

from commerce.codes import LONGEST_CODE
from commerce.models.activity import Activity
from commerce.models.amounts import cents_field
from commerce.models.customers import Customer, normalise_email
from commerce.models.markets import Market
from commerce.models.owned import Owned, OwnedQuerySet
from commerce.models.records import Unguessable
from commerce.money import CurrencyCodeField


def new_gift_card_code() -> str:
    return str(uuid.uuid4())


class GiftCardRecipient(Owned):
    """Whoever a gift card is meant for."""

    wire_type = "gift_card_recipients"

    email = models.CharField(max_length=255, validators=[EmailValidator()])
    email_norm = models.CharField(max_length=255, editable=False)
    first_name = models.CharField(max_length=255, null=True, blank=True)
    last_name = models.CharField(max_length=255, null=True, blank=True)
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, null=True, blank=True, related_name="gift_card_recipients"
    )

    unversioned = Owned.unversioned | {"email_norm"}

    class Meta:
        indexes = [
            models.Index(fields=["organization", "mode", "id"], name="gift_card_recipient_tenant"),
            models.Index(fields=["organization", "mode", "email_norm"], name="gift_card_recipient_email"),
        ]

    def __str__(self) -> str:
        return self.email

    def clean(self) -> None:
        self.email_norm = normalise_email(self.email)[:255]


class GiftCardQuerySet(OwnedQuerySet):
    def usable(self, now: datetime) -> Self:
        """Those that can pay now."""
        open_ended = Q(expires_at__isnull=True) | Q(expires_at__gt=now)
        return self.filter(open_ended, status=GiftCard.Status.ACTIVE, balance_cents__gt=0)


class GiftCard(Unguessable, Owned):
    """Money paid in advance. `balance_cents` is what its ledger entries sum to."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        INACTIVE = "inactive"
        ACTIVE = "active"
        REDEEMED = "redeemed"

    wire_type = "gift_cards"

    status = models.CharField(max_length=8, choices=Status, default=Status.DRAFT, editable=False)
    code = models.CharField(max_length=LONGEST_CODE, default=new_gift_card_code, blank=True)
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
        indexes = [models.Index(fields=["organization", "mode", "id"], name="gift_card_tenant")]
        constraints = [
            models.UniqueConstraint(fields=["organization", "mode", "code_norm"], name="gift_card_code"),
            models.CheckConstraint(condition=Q(balance_cents__gte=0), name="gift_card_balance"),
        ]

    def __str__(self) -> str:
        return f"gift card {self.public_id}"

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
