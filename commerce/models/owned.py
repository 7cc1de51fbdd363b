from typing import Any, ClassVar, NamedTuple, Self

from django.core.exceptions import ValidationError
from django.db import models

from commerce import ids
from commerce.organizations import DEFAULTS


class Mode(models.TextChoices):
    TEST = "test"
    LIVE = "live"


class Tenant(NamedTuple):
    """Who owns a row: an organization in one of its two modes. Nothing crosses this line."""

    organization_id: int
    mode: str


def validate_object(value: object) -> None:
    if not isinstance(value, dict):
        raise ValidationError("must be an object", code="invalid")


def too_long(most: int, of: str = "characters") -> ValidationError:
    return ValidationError(f"is too long (maximum is {most} {of})", "too_long", {"count": most})


def too_short(least: int) -> ValidationError:
    return ValidationError(f"is too short (minimum is {least} characters)", "too_short", {"count": least})


class Record(models.Model):
    """A row with what every resource of the contract carries: timestamps, a reference, metadata and a revision."""

    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)
    reference = models.CharField(max_length=255, null=True, blank=True)
    reference_origin = models.CharField(max_length=255, null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True, validators=[validate_object])
    revision = models.PositiveIntegerField(default=1, editable=False)
    """Raised by every write, also by counters. ETags are made of it."""

    class Meta:
        abstract = True


class Organization(Record):
    slug = models.SlugField(max_length=63, unique=True)
    name = models.CharField(max_length=255)
    support_phone = models.CharField(max_length=255, null=True, blank=True)
    support_email = models.CharField(max_length=255, null=True, blank=True)
    logo_url = models.URLField(max_length=2000, null=True, blank=True)
    favicon_url = models.URLField(max_length=2000, null=True, blank=True)
    primary_color = models.CharField(max_length=255, null=True, blank=True)
    gtm_id = models.CharField(max_length=255, null=True, blank=True)
    gtm_id_test = models.CharField(max_length=255, null=True, blank=True)
    config = models.JSONField(default=dict, blank=True, validators=[validate_object])
    settings = models.JSONField(
        default=dict, blank=True, validators=[validate_object], help_text="Only what differs from the defaults."
    )

    def __str__(self) -> str:
        return self.slug

    def setting(self, name: str) -> Any:
        """The value in force of one of `commerce.organizations.DEFAULTS`."""
        return self.settings.get(name, DEFAULTS[name])

    def clean(self) -> None:
        for name, value in self.settings.items():
            if name not in DEFAULTS:
                raise ValidationError({"settings": ValidationError(f"{name} is not a setting", code="invalid")})
            if type(value) is not type(DEFAULTS[name]) or (isinstance(value, int) and value < 0):
                raise ValidationError({"settings": ValidationError(f"{name} has a wrong value", code="invalid")})


class OwnedQuerySet(models.QuerySet):
    def owned_by(self, tenant: Tenant) -> Self:
        return self.filter(organization_id=tenant.organization_id, mode=tenant.mode)


class Owned(Record):
    """A row of a tenant. Read it through `objects.owned_by(tenant)`, write it through `commerce.changes`."""

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="+"
    )
    mode = models.CharField(max_length=4, choices=Mode)

    objects = OwnedQuerySet.as_manager()

    unversioned: ClassVar[frozenset[str]] = frozenset(
        {"id", "organization", "mode", "created_at", "updated_at", "revision"}
    )
    """Fields whose change is not told in a version: bookkeeping, and what follows from another field."""

    taken: ClassVar[dict[str, str]] = {}
    """Name of a unique constraint -> the attribute that a violation is reported on."""

    class Meta:
        abstract = True

    @classmethod
    def from_db(cls, db: str | None, field_names: Any, values: Any) -> Self:
        row = super().from_db(db, field_names, values)
        row._stored = dict(zip(field_names, values, strict=False))
        return row

    @property
    def wire_type(self) -> str:
        """The type this row has on the wire, in its versions and in the names of its events."""
        raise NotImplementedError(f"{type(self).__name__} has no wire_type")

    @property
    def public_id(self) -> str:
        return ids.encode(self.pk)

    @property
    def tenant(self) -> Tenant:
        return Tenant(self.organization_id, self.mode)

    def stored(self, attname: str) -> Any:
        """The value the database holds as far as this instance knows; None before the first save."""
        return self._stored.get(attname)

    _stored: dict[str, Any] = {}
