"""Coupons that time issued or let expire: nobody asked for it, so nothing told of it."""

from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.db.models import OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Concat

from commerce import changes
from commerce.models import Event, Mode, Organization, Tenant
from commerce.resources.organizations import domain
from coupons.dialects.rebilly import coupons
from coupons.models import Coupon
from coupons.turns import take_turns

CHUNK = 500
_TURNS = [f"coupon-{status}" for status in (coupons.ISSUED, coupons.EXPIRED)]


def record(organization: Organization | None, by: changes.By) -> int:
    """Records the events that are due, each once; of one organization or all. How many they were.

    They are due of coupons that are a definition and its code in one.
    """
    if not settings.REBILLY_MOUNT:
        return 0
    whose = [organization] if organization else Organization.objects.order_by("pk")
    return sum(_record(each, mode, by) for each in whose for mode in Mode.values)


def _record(organization: Organization, mode: str, by: changes.By) -> int:
    tenant, root = Tenant(organization.pk, mode), _root(organization)
    recorded = 0
    while chunk := _record_some(tenant, root, by):
        recorded += chunk
    return recorded


def _record_some(tenant: Tenant, root: str, by: changes.By) -> int:
    with changes.atomic():
        take_turns(tenant, "coupons that are due")
        rows = list(_due(tenant, by.now).order_by("pk")[:CHUNK])
        documents = coupons.documents(rows, lambda collection, id: f"{root}/{collection}/{quote(id, safe='@~')}")
        for row, document in zip(rows, documents, strict=True):
            coupons.announce([f"coupon-{row.status}"], row, document, by)
    return len(rows)


def _due(tenant: Tenant, now: datetime) -> QuerySet[Any]:
    """Those that stand elsewhere than the last event told of them."""
    told = Event.objects.filter(resource_type=Coupon.wire_type, resource_id=OuterRef("pk"), name__in=_TURNS)
    last = Subquery(told.order_by("-pk").values("name")[:1])
    rows = coupons.visible(tenant, now).filter(only_code__isnull=False, promotion_rule__promotion__coupons_count=1)
    stands = rows.exclude(status=coupons.DRAFT).annotate(last=Coalesce(last, Value("")))
    return stands.exclude(Q(last=Concat(Value("coupon-"), "status")))


def _root(organization: Organization) -> str:
    """Where the dialect is served, by the address of the organization."""
    scheme = urlsplit(settings.ISSUER).scheme
    mount = settings.REBILLY_MOUNT.rstrip("/")
    return f"{scheme}://{domain(organization.slug)}{mount}/organizations/{organization.slug}"
