"""Which SKU lists hold a SKU: manual ones by their items, the others by the pattern that its code matches."""

import math
import time
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet

from commerce import patterns
from commerce.jsonapi.attribute_filters import TextFilter
from commerce.models import Sku, SkuList, SkuListItem, Tenant

LOOKUPS = {"eq": "exact", "matches": "matches", "start": "start", "end": "end", "in": "in"}
"""What may be asked of the code, by the name of the predicate."""


def holding(lists: QuerySet[SkuList], predicate: str, value: str) -> QuerySet[SkuList]:
    """Of `lists`, which are of one tenant, those that hold a SKU whose code is as asked.

    `predicate` is one of LOOKUPS and means what it means in filters. Raises ValidationError for a bad value, and where
    the answer takes too long.
    """
    condition = TextFilter(field_name="code").condition(LOOKUPS[predicate], value)
    owner = lists.order_by().values_list("organization_id", "mode").first()
    if owner is None:
        return lists
    skus = Sku.objects.owned_by(Tenant(*owner)).filter(condition)
    items = SkuListItem.objects.filter(sku__in=skus)
    return lists.filter(Q(pk__in=items.values("sku_list")) | Q(pk__in=_matching(lists, skus)))


def _matching(lists: QuerySet[SkuList], skus: QuerySet[Sku]) -> list[int]:
    """The keys of lists whose pattern one of the SKUs matches, found within the time a search may take."""
    by_pattern: Any = lists.filter(manual=False).order_by().values_list("pk", "sku_code_regex")
    left = {key: patterns.compiled(pattern) for key, pattern in by_pattern}
    matching: list[int] = []
    deadline = time.monotonic() + (settings.STATEMENT_TIMEOUT or math.inf)
    for code in skus.values_list("code", flat=True).iterator() if left else ():
        if time.monotonic() > deadline:
            raise ValidationError("took too long; narrow it")
        matched = [key for key, pattern in left.items() if pattern.search(code)]
        matching += matched
        for key in matched:
            del left[key]
        if not left:
            break
    return matching
