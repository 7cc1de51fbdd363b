"""`coupons-redemptions`: a coupon granted to a customer. Each is one use of a coupon, whoever made it and wherefore:
orders of ours use coupons too, and are given back here as well.

    POST {"couponId": "SUMMER-26", "customerId": "cus_1", "additionalRestrictions": [{"type": "paid-by-time", ...}]}

`customerId` is the id, the `reference` or the `shopper_reference` of a customer here, or what one is called elsewhere.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Case, F, Q, QuerySet, When
from django.db.models.functions import Coalesce
from django.http import Http404, HttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from commerce import changes, ids
from commerce.codes import LONGEST_CODE
from commerce.errors import CodeRefused
from commerce.models import Event, Tenant
from coupons import ahead
from coupons.dialects.entry import Problem
from coupons.dialects.rebilly import coupons, filters, ulids
from coupons.dialects.rebilly.coupons import Document, Link
from coupons.dialects.rebilly.fields import Text
from coupons.dialects.rebilly.frame import LONGEST_ID, Listed, RebillyView, wire
from coupons.dialects.rebilly.restrictions import OF_REDEMPTIONS, Kept, Restrictions, told
from coupons.models import Redemption, Use

COLLECTION = "coupons-redemptions"

# --- Ids ------------------------------------------------------------------------------------------

PREFIX = "cpn_rdm_"
_SIZE, _HALF = 1 << 80, 40
_FIRST, _SECOND = 0x9E3779B97F4A7C15F39D, 0xC2B2AE3D27D4EB4F1657
_FIRST_INVERSE, _SECOND_INVERSE = pow(_FIRST, -1, _SIZE), pow(_SECOND, -1, _SIZE)


def public_id(use: Use) -> str:
    """A ULID of when it was redeemed and of its key, which is told from it again."""
    rest = _swap_halves(use.pk * _FIRST % _SIZE) * _SECOND % _SIZE
    return PREFIX + ulids.encode(_milliseconds(use.redemption.created_at), rest)


def key_of(public_id: str) -> tuple[int, int] | None:
    """The milliseconds and the key that an id was made of; None of anything else."""
    found = ulids.decode(public_id.removeprefix(PREFIX)) if public_id.startswith(PREFIX) else None
    if found is None:
        return None
    milliseconds, rest = found
    key = _swap_halves(rest * _SECOND_INVERSE % _SIZE) * _FIRST_INVERSE % _SIZE
    return (milliseconds, key) if key < ids.SIZE else None


def _swap_halves(number: int) -> int:
    return number >> _HALF | (number & (1 << _HALF) - 1) << _HALF


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


# --- What is told ---------------------------------------------------------------------------------


def customer_id(redemption: Redemption) -> str | None:
    """As the customer was called, or else the id."""
    return redemption.customer_reference or (ids.encode(redemption.customer_id) if redemption.customer_id else None)


def coupon_id(use: Use) -> str:
    assert use.coupon is not None  # noqa: S101  (those without are no redemptions here)
    return use.coupon.code


def canceled_at(use: Use) -> datetime | None:
    """Of one use among several of a redemption the last change of that is the best that is known."""
    return None if use.is_counted else use.redemption.released_at or use.redemption.updated_at


CANCELED_AT = Case(When(is_counted=False, then=Coalesce("redemption__released_at", "redemption__updated_at")))
"""The same in SQL."""


def document(use: Any, link: Link) -> Document:
    """Of a row of `of_tenant`."""
    redemption = use.redemption
    return {
        "id": public_id(use),
        "couponId": coupon_id(use),
        "customerId": customer_id(redemption),
        "additionalRestrictions": [told(one) for one in redemption.restrictions],
        "createdTime": wire(redemption.created_at),
        "updatedTime": wire(redemption.updated_at),
        "canceledTime": wire(canceled_at(use)),
        "_links": _links(use, link, self=COLLECTION, customer="customers", coupon="coupons"),
    }


def _links(use: Any, link: Link, **collections: str) -> list[Document]:
    """What each relation leads to is in the collection said; customers may be kept elsewhere.

    Coupons that the dialect has no words for are nowhere.
    """
    is_told = use.coupon_kind in coupons.KINDS
    named = {"customer": customer_id(use.redemption), "coupon": coupon_id(use) if is_told else None}
    found = [(rel, collection, named.get(rel, public_id(use))) for rel, collection in collections.items()]
    return [{"rel": rel, "href": link(collection, name)} for rel, collection, name in found if name]


# --- What is sent ---------------------------------------------------------------------------------


class Body(serializers.Serializer):
    """Whatever else is sent is read-only, or nothing to us."""

    couponId = Text(max_length=LONGEST_CODE)
    customerId = Text(max_length=LONGEST_ID, required=False, allow_null=True, allow_blank=True)
    additionalRestrictions = Restrictions(OF_REDEMPTIONS, required=False, allow_null=True)


# --- What is searched -----------------------------------------------------------------------------


def of_tenant(tenant: Tenant) -> QuerySet[Any]:
    """Every use of a coupon, with the kind of promotion that this opens."""
    owned = {f"redemption__{name}": value for name, value in tenant._asdict().items()}
    rows = Use.objects.filter(coupon__isnull=False, **owned).select_related("redemption", "coupon")
    return rows.annotate(coupon_kind=F("coupon__promotion_rule__promotion__kind"))


def _of_customer(lookup: str, name: str) -> Q:
    """Ids of customers differ by their case."""
    unnamed = Q(redemption__customer_reference=None, redemption__customer=ids.decode(name) or 0)
    return Q(redemption__customer_reference=name) | unnamed


def _with_id(lookup: str, name: str) -> Q:
    found = key_of(name)
    return Q(pk=found[1] if found else 0)


FIELDS = {
    "id": filters.Field(str, _with_id, is_id=True),
    "couponId": filters.code("coupon__code_norm"),
    "customerId": filters.Field(str, _of_customer, is_id=True),
    "createdTime": filters.time("redemption__created_at"),
    "updatedTime": filters.time("redemption__updated_at"),
    "canceledTime": filters.time("canceled_at"),
}
SORTABLE = {
    "id": "pk",
    "couponId": "coupon__code_norm",
    "customerId": "redemption__customer_reference",
    "createdTime": "redemption__created_at",
    "updatedTime": "redemption__updated_at",
    "canceledTime": "canceled_at",
}
SEARCHED = ("coupon__code", "redemption__customer_reference")


# --- What happened --------------------------------------------------------------------------------


def announce(name: str, uses: Sequence[Use], link: Link, by: changes.By) -> None:
    """Appends the event, such as `coupon-redeemed`, of each, with what webhooks tell of it as it is stored by now."""
    if not uses:
        return
    tenant = uses[0].redemption.tenant
    rows = list(coupons.visible(tenant, by.now).filter(pk__in=[use.coupon_id for use in uses]))
    of_coupons = dict(zip([row.pk for row in rows], coupons.documents(rows, link), strict=True))
    stored = of_tenant(tenant).in_bulk([use.pk for use in uses])
    for use in (stored[use.pk] for use in uses):
        redemption = document(use, link)
        customer = redemption["customerId"]
        coupon = of_coupons.get(use.coupon_id)
        embedded = {"redemption": redemption, "customer": {"id": customer} if customer else None}
        payload = {
            "couponId": redemption["couponId"],
            "redemptionId": redemption["id"],
            "customerId": customer,
            "eventType": name,
            "_embedded": ({"coupon": coupon} if coupon else {}) | embedded,
            "_links": _links(use, link, coupon="coupons", redemption=COLLECTION, customer="customers"),
        }
        changes.append(Event, use.redemption, by, name=name, payload=payload)


# --- The operations -------------------------------------------------------------------------------


class Refused(Problem):
    """A redemption or an application that is not possible, `reason` being why."""

    def __init__(self, refusal: CodeRefused) -> None:
        name = WIRE_NAMES[refusal.attribute]
        super().__init__(422, refusal.detail, [(name, refusal.detail)])
        self.reason = refusal.reason


WIRE_NAMES = {
    "coupon": "couponId",
    "customer": "customerId",
    "restrictions": "additionalRestrictions",
    "redemption": "redemptionId",
}


class RedemptionsView(RebillyView):
    def problem_of(self, cause: Exception) -> Problem:
        return Refused(cause) if isinstance(cause, CodeRefused) else super().problem_of(cause)

    def told_besides(self, problem: Problem) -> Document:
        return {"reason": problem.reason} if isinstance(problem, Refused) else {}

    def found(self, id: str) -> Use:
        """Raises Http404."""
        milliseconds, key = key_of(id) or (0, 0)
        use = of_tenant(self.tenant).filter(pk=key).first()
        if use is None or _milliseconds(use.redemption.created_at) != milliseconds:
            raise Http404
        return use

    def announce(self, name: str, uses: Sequence[Use]) -> None:
        announce(name, uses, self.link, self.by)


class Redemptions(RedemptionsView):
    needs = {"GET": ("list", "redemptions"), "HEAD": ("list", "redemptions"), "POST": ("create", "redemptions")}

    def get(self, request: Request, **kwargs: Any) -> HttpResponse:
        rows = of_tenant(self.tenant).annotate(canceled_at=CANCELED_AT)
        listed = Listed(rows, FIELDS, SORTABLE, SEARCHED)
        return self.listed(listed, lambda found: [document(use, self.link) for use in found])

    def post(self, request: Request, **kwargs: Any) -> HttpResponse:
        body = Body(data=self.document)
        body.is_valid(raise_exception=True)
        made = self.written(lambda: self._redeem(**body.validated_data))
        return self.created(made, self.link(COLLECTION, made["id"]))

    def _redeem(
        self, couponId: str, customerId: str | None = None, additionalRestrictions: list[Kept] | None = None
    ) -> Document:
        redemption = ahead.redeem(self.tenant, couponId, customerId, additionalRestrictions or [], self.by)
        use = of_tenant(self.tenant).get(redemption=redemption)
        self.announce("coupon-redeemed", [use])
        return document(use, self.link)


class OneRedemption(RedemptionsView):
    needs = {"GET": ("retrieve", "redemptions"), "HEAD": ("retrieve", "redemptions")}

    def get(self, request: Request, id: str, **kwargs: Any) -> HttpResponse:
        return self.answered(document(self.found(id), self.link))


class Cancellation(RedemptionsView):
    needs = {"POST": ("update", "redemptions")}

    def post(self, request: Request, id: str, **kwargs: Any) -> HttpResponse:
        """What is sent does not matter, nor how."""
        self.written(lambda: self._cancel(self.found(id)))
        return self.created(None, self.link(COLLECTION, id))

    def _cancel(self, use: Use) -> None:
        if ahead.cancel_use(use, self.by):
            self.announce("coupon-redemption-canceled", [use])
