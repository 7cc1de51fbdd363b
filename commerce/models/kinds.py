"""Families of types that share a table: a model a family, and a proxy of it a kind."""

from typing import Any, ClassVar

from django.db import models

from commerce.models.owned import Owned, OwnedQuerySet


class KindManager(models.Manager.from_queryset(OwnedQuerySet)):  # type: ignore[misc]
    """Rows of the proxy's own kind; every row for the table's base model.

    A family with a query set of its own brings `KindManager.from_queryset(ItsQuerySet)`.
    """

    def get_queryset(self) -> Any:
        rows = super().get_queryset()
        return rows.filter(kind=self.model.KIND) if self.model.KIND else rows


class OfKind(Owned):
    """One table a family: each proxy model is one kind, and its rows say which."""

    KIND: ClassVar[str] = ""
    FAMILY: ClassVar[str] = ""

    kind = models.CharField(max_length=32, editable=False)

    objects: ClassVar[Any] = KindManager()

    unversioned = Owned.unversioned | {"kind"}

    class Meta:
        abstract = True

    def __init__(self, *args: Any, **values: Any) -> None:
        super().__init__(*args, **values)
        if not self.kind:
            self.kind = self.KIND

    @property
    def wire_type(self) -> str:
        return f"{self.kind}_{self.FAMILY}"
