"""Where a token may act: the markets and stock locations that its scope names."""

from typing import NamedTuple

from django.db.models import Q, QuerySet

from commerce import ids, permissions
from commerce.auth import ALL_MARKETS
from commerce.models import Application, StockLocation
from commerce.permissions import Reach, Shopper

LARGEST_KEY = 2**63 - 1


class UnknownScope(Exception):
    """A scope names what there is not, or what is not for whoever asks."""


class Places(NamedTuple):
    """By their keys. `markets` is None where they are all in scope."""

    markets: tuple[int, ...] | None
    stock_locations: tuple[int, ...]

    def include(self, others: "Places") -> bool:
        if self.markets is None:
            return True
        markets, stock_locations = set(self.markets), set(self.stock_locations)
        return (
            others.markets is not None
            and markets.issuperset(others.markets)
            and (stock_locations.issuperset(others.stock_locations))
        )


def places_of(scope: str, application: Application, customer_id: int | None) -> Places:
    """What `scope` names, for a token of `application` in the name of a customer or not.

    Raises UnknownScope for a market or stock location that is not the tenant's, is disabled, is kept for other
    customers or lies beyond the scopes of the application, and where a shopper would have no market.
    """
    tenant = application.tenant
    is_shopping = application.kind == Application.Kind.SALES_CHANNEL or customer_id is not None
    everywhere: Reach = Shopper.of(tenant, customer_id or 0, None) if is_shopping else tenant
    markets = permissions.markets(everywhere)
    stock_locations = StockLocation.objects.owned_by(tenant)
    places = _places(scope, markets, stock_locations, is_strict=True)
    if is_shopping and places.markets == ():
        raise UnknownScope
    if scope != application.scopes:
        allowed = _places(application.scopes, markets, stock_locations, is_strict=False)
        if not allowed.include(places):
            raise UnknownScope
    return places


def _places(scope: str, markets: QuerySet, stock_locations: QuerySet, *, is_strict: bool) -> Places:
    names = scope.split(" ")
    if is_strict and any(name.startswith("store:") for name in names):
        raise UnknownScope  # there are no stores here
    in_scope = _keys(_named("market:", names), markets, is_strict)
    held = _keys(_named("stock_location:", names), stock_locations, is_strict)
    return Places(None if ALL_MARKETS in names else in_scope, held)


class _Named(NamedTuple):
    keys: set[int]
    codes: set[str]


def _named(kind: str, names: list[str]) -> _Named:
    """Of `market:id:X`, `market:code:X` or, as older clients write it, `market:` and the key."""
    named = _Named(set(), set())
    for place in (name.removeprefix(kind) for name in names if name.startswith(kind) and name != ALL_MARKETS):
        by, _, value = place.rpartition(":")
        if by == "code":
            named.codes.add(value)
        else:
            named.keys.add((ids.decode(value) or 0) if by else min(int(value), LARGEST_KEY))
    return named


def _keys(named: _Named, rows: QuerySet, is_strict: bool) -> tuple[int, ...]:
    if not any(named):
        return ()
    found = dict(rows.filter(Q(pk__in=named.keys) | Q(code__in=named.codes)).values_list("pk", "code"))
    if is_strict and not (named.keys <= found.keys() and named.codes <= set(found.values())):
        raise UnknownScope
    return tuple(sorted(found))
