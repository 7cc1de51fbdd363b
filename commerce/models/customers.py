import unicodedata
import uuid
from datetime import datetime

from django.contrib.auth.hashers import check_password, make_password
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator, MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from commerce.chance import drawn
from commerce.countries import WITHOUT_ZIP_CODES, validate_country_code
from commerce.models.owned import Owned
from commerce.models.records import Unguessable


def normalise_email(email: str) -> str:
    """The form addresses are compared in: NFKC, trimmed, case folded, as much of it as the columns hold."""
    return unicodedata.normalize("NFKC", email).strip().casefold()[:255]


def new_customer_reference() -> str:
    """What other services may know a customer by."""
    return str(drawn(uuid.uuid4))


class Address(Unguessable, Owned):
    """Where a person or a business is. Positions and map links are stored as given; nothing geocodes here."""

    wire_type = "addresses"

    business = models.BooleanField(default=False)
    first_name = models.CharField(max_length=255, null=True, blank=True)
    last_name = models.CharField(max_length=255, null=True, blank=True)
    company = models.CharField(max_length=255, null=True, blank=True)
    line_1 = models.CharField(max_length=255)
    line_2 = models.CharField(max_length=255, null=True, blank=True)
    city = models.CharField(max_length=255)
    zip_code = models.CharField(max_length=255, null=True, blank=True)
    state_code = models.CharField(max_length=255, null=True, blank=True)
    country_code = models.CharField(max_length=2, validators=[validate_country_code])
    phone = models.CharField(max_length=255, null=True, blank=True)
    email = models.CharField(max_length=255, null=True, blank=True, validators=[EmailValidator()])
    notes = models.TextField(max_length=5000, null=True, blank=True)
    lat = models.FloatField(null=True, blank=True, validators=[MinValueValidator(-90), MaxValueValidator(90)])
    lng = models.FloatField(null=True, blank=True, validators=[MinValueValidator(-180), MaxValueValidator(180)])
    is_geocoded = models.BooleanField(default=False, editable=False)
    provider_name = models.CharField(max_length=255, null=True, editable=False)
    map_url = models.CharField(max_length=2000, null=True, editable=False)
    static_map_url = models.CharField(max_length=2000, null=True, editable=False)
    billing_info = models.CharField(max_length=255, null=True, blank=True)
    created_by = models.ForeignKey(
        "commerce.Customer",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        null=True,
        editable=False,
        related_name="+",
        help_text="The customer whose token created it and may read it before it is in an address book.",
    )
    of_guest = models.BooleanField(
        default=False, editable=False, help_text="A sales channel without a customer created it."
    )

    unversioned = Owned.unversioned | {"created_by", "of_guest"}

    class Meta:
        verbose_name_plural = "addresses"
        indexes = [models.Index(fields=["organization", "mode", "id"], name="address_tenant")]

    def __str__(self) -> str:
        return f"{self.line_1}, {self.city}"

    def clean(self) -> None:
        needed = ["company"] if self.business else ["first_name", "last_name"]
        if self.country_code not in WITHOUT_ZIP_CODES:
            needed.append("zip_code")
        if self.organization.setting("addresses_phone_required"):
            needed.append("phone")
        if missing := [name for name in needed if not getattr(self, name)]:
            raise ValidationError({name: ValidationError("can't be blank", code="blank") for name in missing})


class CustomerGroup(Owned):
    wire_type = "customer_groups"

    name = models.CharField(max_length=255)
    code = models.CharField(max_length=255, null=True, blank=True)

    taken = {"customer_group_code": "code"}

    class Meta:
        indexes = [models.Index(fields=["organization", "mode", "id"], name="customer_group_tenant")]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "mode", "code"], name="customer_group_code", condition=Q(code__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return self.name


class Customer(Owned):
    """Whoever buys. `email_norm` tells customers apart; `status` follows from the orders placed."""

    class Status(models.TextChoices):
        PROSPECT = "prospect"
        ACQUIRED = "acquired"
        REPEAT = "repeat"

    wire_type = "customers"

    email = models.CharField(max_length=255, validators=[EmailValidator()])
    email_norm = models.CharField(max_length=255, editable=False)
    password_hash = models.CharField(max_length=255, null=True, editable=False)
    status = models.CharField(max_length=8, choices=Status, default=Status.PROSPECT, editable=False)
    total_orders_count = models.PositiveIntegerField(default=0, editable=False)
    shopper_reference = models.CharField(max_length=255, default=new_customer_reference, blank=True)
    profile_id = models.CharField(max_length=255, default=new_customer_reference, blank=True)
    tax_exemption_code = models.CharField(max_length=255, null=True, blank=True)
    customer_group = models.ForeignKey(
        CustomerGroup, on_delete=models.PROTECT, null=True, blank=True, related_name="customers"
    )
    anonymization_requested_at = models.DateTimeField(null=True, editable=False)

    parts = ("customer_addresses",)
    unversioned = Owned.unversioned | {"email_norm", "password_hash", "total_orders_count"}
    taken = {"customer_email": "email"}

    class Meta:
        indexes = [
            models.Index(fields=["organization", "mode", "id"], name="customer_tenant"),
            models.Index(fields=["organization", "mode", "reference"], name="customer_reference"),
            models.Index(fields=["organization", "mode", "shopper_reference"], name="customer_shopper_reference"),
        ]
        constraints = [models.UniqueConstraint(fields=["organization", "mode", "email_norm"], name="customer_email")]

    def __str__(self) -> str:
        return self.email

    def clean(self) -> None:
        self.email_norm = normalise_email(self.email)
        self.shopper_reference = self.shopper_reference or new_customer_reference()
        self.profile_id = self.profile_id or new_customer_reference()

    def follow_orders(self) -> None:
        """Buying once makes an acquired customer, and buying again a repeat one."""
        statuses = (self.Status.PROSPECT, self.Status.ACQUIRED, self.Status.REPEAT)
        self.status = statuses[min(self.total_orders_count, 2)]

    def request_anonymization(self, now: datetime) -> None:
        """Keeps the first instant when requested twice."""
        self.anonymization_requested_at = self.anonymization_requested_at or now

    def cancel_anonymization(self) -> None:
        self.anonymization_requested_at = None

    def set_password(self, password: str | None) -> None:
        self.password_hash = make_password(password) if password else None

    def has_password(self, password: str) -> bool:
        """Whether it is this one; as slow for a customer without any."""
        return check_password(password, self.password_hash or make_password(None))


class CustomerAddress(Owned):
    """An address in a customer's address book."""

    wire_type = "customer_addresses"

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="customer_addresses")
    address = models.ForeignKey(Address, on_delete=models.PROTECT, related_name="customer_addresses")

    class Meta:
        verbose_name_plural = "customer addresses"
        indexes = [models.Index(fields=["organization", "mode", "id"], name="customer_address_tenant")]

    def __str__(self) -> str:
        return f"{self.customer}: {self.address}"
