"""The JSON:API document of a cart that is sent to the service behind an external promotion."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

_NUMBERED = ("line_items", "shipments")
_RELATED = {
    "market": "markets",
    "customer": "customers",
    "sku": "skus",
    "bundle": "bundles",
    "shipping_address": "addresses",
    "billing_address": "addresses",
    "payment_method": "payment_methods",
    "shipping_method": "shipping_methods",
}
"""Facts that are resources of their own -> their type."""
Included = dict[tuple[str, str], dict[str, Any]]
"""Type and id -> the resource."""


def of_facts(facts: Mapping[str, Any], told_id: Callable[[int], Any] = int) -> bytes:
    """An order, stored or not: its market, customer, addresses and lines with their items are included.

    The same facts make the same bytes. `told_id` says how line items and shipments are called.
    """
    included: Included = {}
    named = {name: [{**one, "id": told_id(one["id"])} for one in facts.get(name, ())] for name in _NUMBERED}
    document = {"data": _resource("orders", {**facts, **named}, included), "included": list(included.values())}
    return orjson.dumps(document, default=str, option=orjson.OPT_SORT_KEYS)


def _resource(type_name: str, facts: Mapping[str, Any], included: Included) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    relationships: dict[str, Any] = {}
    for name, value in facts.items():
        if name in _NUMBERED:
            relationships[name] = {"data": [_included(name, one, included) for one in value]}
        elif name in _RELATED and isinstance(value, Mapping):
            relationships["item" if name in ("sku", "bundle") else name] = {
                "data": _included(_RELATED[name], value, included)
            }
        elif name != "id":
            attributes[name] = value
    return {"type": type_name, "id": _id(facts), "attributes": attributes, "relationships": relationships}


def _included(type_name: str, facts: Mapping[str, Any], included: Included) -> dict[str, str]:
    resource = _resource(type_name, facts, included)
    included.setdefault((type_name, resource["id"]), resource)
    return {"type": type_name, "id": resource["id"]}


def _id(facts: Mapping[str, Any]) -> str:
    return str(facts.get("id", facts.get("code", "")))
