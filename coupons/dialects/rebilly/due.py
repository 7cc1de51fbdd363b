"""Events that nothing told of when it happened: coupons that time issued or let expire, and what other APIs redeemed
and gave back.
"""

from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, Concat

from commerce import changes
from commerce.models import Event, Mode, Organization, Tenant
from commerce.resources.organizations import domain
from coupons.dialects.rebilly import coupons, redemptions
from coupons.models import Coupon, Redemption
from coupons.turns import take_turns

CHUNK = 500
TURN = "coupons that are due"
REDEEMED, CANCELED = "coupon-redeemed", "coupon-redemption-canceled"
_TURNS = [f"coupon-{status}" for status in (coupons.ISSUED, coupons.EXPIRED)]


def record(organization: Organization | None, by: changes.By) -> int:
    """Records the events that are due, each once; of one organization or all. How many they were.

    They are due of coupons that are a definition and its code in one, and told as these are now.
    """
    if not settings.REBILLY_MOUNT:
        return 0
    whose = [organization] if organization else Organization.objects.order_by("pk")
    return sum(_record(each, mode, by) for each in whose for mode in Mode.values)


def _record(organization: Organization, mode: str, by: changes.By) -> int:
    tenant, root = Tenant(organization.pk, mode), _root(organization)

    def link(collection: str, id: str) -> str:
        return f"{root}/{collection}/{quote(id, safe='@~')}"

    turns = sum(iter(partial(_record_turns, tenant, link, by), 0))
    return turns + sum(_record_uses(tenant, name, link, by) for name in (REDEEMED, CANCELED))


_IN_ONE = {"only_code__isnull": False, "promotion_rule__promotion__coupons_count": 1}
"""What coupons are that are a definition and its code in one."""


# --- What time did --------------------------------------------------------------------------------


def _record_turns(tenant: Tenant, link: coupons.Link, by: changes.By) -> int:
    with changes.atomic():
        take_turns(tenant, TURN)
        rows = list(_due(tenant, by.now).order_by("pk")[:CHUNK])
        for row, document in zip(rows, coupons.documents(rows, link), strict=True):
            coupons.announce([f"coupon-{row.status}"], row, document, by)
    return len(rows)


def _due(tenant: Tenant, now: datetime) -> QuerySet[Any]:
    """Those that stand elsewhere than the last event told of them."""
    told = Event.objects.filter(resource_type=Coupon.wire_type, resource_id=OuterRef("pk"), name__in=_TURNS)
    last = Subquery(told.order_by("-pk").values("name")[:1])
    rows = coupons.visible(tenant, now).filter(**_IN_ONE)
    stands = rows.exclude(status=coupons.DRAFT).annotate(last=Coalesce(last, Value("")))
    return stands.exclude(Q(last=Concat(Value("coupon-"), "status")))


# --- What other APIs did --------------------------------------------------------------------------


def _record_uses(tenant: Tenant, name: str, link: coupons.Link, by: changes.By) -> int:
    recorded, last = 0, 0
    while True:
        with changes.atomic():
            take_turns(tenant, TURN)
            uses = list(_untold(tenant, name).filter(pk__gt=last).order_by("pk")[:CHUNK])
            if not uses:
                return recorded
            # A coupon that had another code then is told of by the id of the redemption.
            known = _told(name).filter(resource_id__in=[use.redemption_id for use in uses])
            ids = set(known.values_list("about_redemption", flat=True))
            new = [use for use in uses if redemptions.public_id(use) not in ids]
            redemptions.announce(name, new, link, by)
        recorded, last = recorded + len(new), uses[-1].pk


def _untold(tenant: Tenant, name: str) -> QuerySet[Any]:
    """The uses that no such event tells of under the code that the coupon has now."""
    in_one = {f"coupon__{condition}": value for condition, value in _IN_ONE.items()}
    uses = redemptions.of_tenant(tenant).filter(coupon_kind__in=coupons.KINDS, **in_one)
    told = _told(name).filter(resource_id=OuterRef("redemption"), about_coupon=OuterRef("coupon__code"))
    return (uses.filter(is_counted=False) if name == CANCELED else uses).filter(~Exists(told))


def _told(name: str) -> QuerySet[Any]:
    events = Event.objects.filter(resource_type=Redemption.wire_type, name=name)
    return events.annotate(about_coupon=KT("payload__couponId"), about_redemption=KT("payload__redemptionId"))


# --- Where it is told -----------------------------------------------------------------------------


def _root(organization: Organization) -> str:
    """Where the dialect is served, by the address of the organization."""
    scheme = urlsplit(settings.ISSUER).scheme
    mount = settings.REBILLY_MOUNT.rstrip("/")
    return f"{scheme}://{domain(organization.slug)}{mount}/organizations/{organization.slug}"
