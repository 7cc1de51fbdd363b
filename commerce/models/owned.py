from typing import Any, ClassVar, NamedTuple, Protocol, Self

from django.db import models

from commerce import ids
from commerce.models.organizations import Organization
from commerce.models.records import Record


class Mode(models.TextChoices):
    TEST = "test"
    LIVE = "live"


class Tenant(NamedTuple):
    """Who owns a row: an organization in one of its two modes. Nothing crosses this line."""

    organization_id: int
    mode: str


class OfTenant(Protocol):
    """A tenant, or what is reached of one."""

    @property
    def organization_id(self) -> Any: ...

    @property
    def mode(self) -> Any: ...


class OwnedQuerySet(models.QuerySet):
    def owned_by(self, tenant: OfTenant) -> Self:
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

    parts: ClassVar[tuple[str, ...]] = ()
    """The other sides of relations whose rows mean nothing without this one: they go with it."""

    is_priced: ClassVar[bool] = False
    """Whether orders are discounted by what these rows say: a change of them raises the tenant's pricing revision."""

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
