"""Reading actions: the keys that each type takes, and what must be true of them together."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from promotions.engine.flex.actions import (
    Action,
    BuyXPayY,
    Effect,
    EveryXDiscountY,
    FixedAmount,
    FixedPrice,
    Gift,
    Percentage,
)
from promotions.engine.flex.catalogue import (
    ANY,
    GIFT_SELECTORS,
    NUMBERS,
    ORDER,
    SELECTORS,
    Path,
    Selector,
    path_of,
)
from promotions.engine.flex.condition_language import ConditionReader
from promotions.engine.flex.reading import INVALID, Parser
from promotions.engine.flex.selection import Bundle, Limit, Selection, Sort

SELECTING = ("selector", "identifier", "groups", "aggregation")
CUTTING = ("quantity", "limit", "bundle", "apply_on")

KEYS: Mapping[str, tuple[str, ...]] = {
    "percentage": ("value", *SELECTING, *CUTTING, "round"),
    "fixed_amount": ("value", *SELECTING, *CUTTING, "discount_mode"),
    "fixed_price": ("value", *SELECTING, *CUTTING),
    "buy_x_pay_y": ("value", *SELECTING),
    "every_x_discount_y": ("value", *SELECTING),
    "free_gift": ("identifiers", "quantity"),
}
"""Type of action -> its keys, besides `type`."""

BY_LINE = ("buy_x_pay_y", "every_x_discount_y")
"""What takes from an order line by line."""


class ActionReader(ConditionReader):
    def action(self, value: Any, path: str, groups: Collection[str]) -> Any:
        """An action; `groups` are those that the conditions of its rule name."""
        if not isinstance(value, dict):
            return self.wrong(path, "must be an object")
        if "type" not in value:
            return self.wrong(f"{path}.type", "is required")
        kind = self.one_of(KEYS)(value["type"], f"{path}.type")
        if kind is INVALID:
            return INVALID
        required = KEYS[kind] if kind == "free_gift" else ("value", "selector")
        found = self.record(value, path, {"type": self.anything} | self._parsers(kind, groups), required)
        if found is INVALID:
            return INVALID
        if kind == "free_gift":
            return Action(kind, Gift(found["identifiers"], found["quantity"]))
        selection = self._selection(found, path)
        effect = self._effect(kind, found, path)
        return INVALID if INVALID in (selection, effect) else Action(kind, effect, selection)

    def _parsers(self, kind: str, groups: Collection[str]) -> dict[str, Parser]:
        parsers: Mapping[str, Parser] = {
            "value": self._value_parsers().get(kind, self.anything),
            "selector": self._selector,
            "identifier": self.string,
            "groups": self.each(self._group_of(groups), at_least=1),
            "aggregation": self.anything,
            "quantity": self.positive,
            "limit": self._limit,
            "bundle": self._bundle,
            "apply_on": self.string,
            "round": self.boolean,
            "discount_mode": self.one_of(("default", "distributed")),
            "identifiers": self._identifiers,
        }
        return {key: parsers[key] for key in KEYS[kind]}

    def _value_parsers(self) -> dict[str, Parser]:
        return {
            "percentage": self.part,
            "fixed_amount": self.cents,
            "fixed_price": self.cents,
            "buy_x_pay_y": self._buy_x_pay_y,
            "every_x_discount_y": self._every_x_discount_y,
        }

    # --- Values -----------------------------------------------------------------------------------

    def _buy_x_pay_y(self, value: Any, path: str) -> Any:
        parsers = dict.fromkeys(("x", "y", "result_item_limit"), self.positive)
        found = self.record(value, path, parsers, ("x", "y"))
        if found is INVALID or found["x"] > found["y"]:
            return found
        return self.wrong(f"{path}.x", "must be more than y")

    def _every_x_discount_y(self, value: Any, path: str) -> Any:
        parsers = {"x": self.positive, "y": self.positive, "attribute": self.string}
        return self.record(value, path, parsers, ("x", "y", "attribute"))

    def _identifiers(self, value: Any, path: str) -> Any:
        found = self.record(value, path, dict.fromkeys(GIFT_SELECTORS, self.each(self.string, at_least=1)), ())
        if found == {}:
            return self.wrong(path, f"must hold one of {', '.join(GIFT_SELECTORS)}")
        if found is INVALID:
            return INVALID
        self.paths.update(found)
        return tuple((path_of(selector), found[selector]) for selector in GIFT_SELECTORS if selector in found)

    # --- What is selected -------------------------------------------------------------------------

    def _selector(self, value: Any, path: str) -> Any:
        """The path of the selector, of the resource, and the attribute that tells which one."""
        texts = [text for text in SELECTORS if isinstance(value, str) and f"{value}.".startswith(f"{text}.")]
        if not texts:
            return self.wrong(path, f"must be one of {', '.join(SELECTORS)}, or an attribute of one")
        resource = max(texts, key=len)
        if value == resource:
            return value, resource, None
        attribute = self.path(value, path)
        if attribute is INVALID:
            return INVALID
        if attribute.collection != SELECTORS[resource].collection:
            return self.wrong(path, f"is no attribute of {resource}")
        return value, resource, attribute

    def _group_of(self, groups: Collection[str]) -> Parser:
        def group(value: Any, path: str) -> Any:
            known = isinstance(value, str) and value in groups
            return value if known else self.wrong(path, "is no group that a condition of this rule names")

        return group

    def _sort(self, value: Any, path: str) -> Any:
        parsers = {"attribute": self.string, "direction": self.one_of(("asc", "desc"))}
        return self.record(value, path, parsers, ("attribute", "direction"))

    def _limit(self, value: Any, path: str) -> Any:
        return self.record(value, path, {"value": self.positive, "sort": self._sort}, ("value", "sort"))

    def _bundle(self, value: Any, path: str) -> Any:
        parsers = {"type": self.one_of(("balanced", "every")), "value": self.positive, "sort": self._sort}
        found = self.record(value, path, parsers, ("sort",))
        if found is INVALID:
            return INVALID
        if found.get("type") == "every" and "value" not in found:
            return self.wrong(f"{path}.value", "is required")
        if found.get("type") != "every" and "value" in found:
            return self.wrong(f"{path}.value", "goes with type every only")
        return found

    def _selection(self, found: Mapping[str, Any], path: str) -> Any:
        text, resource, attribute = found["selector"]
        selector = SELECTORS[resource]
        if found["type"] in BY_LINE and selector.takes == "order":
            selector = replace(selector, takes="units")
        errors = len(self.errors)
        self._together(found, path, selector, attribute)
        limit, bundle = found.get("limit"), found.get("bundle")
        groups = found.get("groups", ())
        aggregation = (
            self.aggregation(found["aggregation"], f"{path}.aggregation", resource) if "aggregation" in found else None
        )
        selection = Selection(
            text,
            selector,
            (attribute, found["identifier"]) if attribute and "identifier" in found else None,
            groups,
            aggregation,
            found.get("quantity"),
            limit and Limit(limit["value"], self._sorted(limit, f"{path}.limit", resource)),
            bundle and Bundle(groups, self._sorted(bundle, f"{path}.bundle", resource), bundle.get("value")),
        )
        return INVALID if len(self.errors) > errors else selection

    def _together(self, found: Mapping[str, Any], path: str, selector: Selector, attribute: Path | None) -> None:
        """What keys ask of each other."""
        if attribute and "identifier" not in found:
            self.wrong(f"{path}.identifier", "is required with a selector that is an attribute")
        if not attribute and "identifier" in found:
            self.wrong(f"{path}.identifier", "goes with a selector that is an attribute")
        if "limit" in found and "bundle" in found:
            self.wrong(f"{path}.bundle", "does not go with a limit")
        if "bundle" in found:
            self._bundle_groups(found, path, selector)

    def _bundle_groups(self, found: Mapping[str, Any], path: str, selector: Selector) -> None:
        named = len(set(found.get("groups", ())))
        if selector.collection == ORDER:
            self.wrong(f"{path}.bundle", "needs a selector of line items")
        if found["bundle"].get("type") == "every" and named != 1:
            self.wrong(f"{path}.groups", "must be exactly one for a bundle of type every")
        if found["bundle"].get("type") != "every" and named < 2:
            self.wrong(f"{path}.groups", "must be at least two for a balanced bundle")

    def _sorted(self, holder: Mapping[str, Any], path: str, resource: str) -> Sort:
        sort = holder["sort"]
        attribute = self._number(sort["attribute"], f"{path}.sort.attribute", resource)
        return Sort(None if attribute is INVALID else attribute, sort["direction"] == "desc")

    def _number(self, text: str, path: str, resource: str, *above: str) -> Any:
        """A numeric attribute of a selected resource, of what it belongs to or of `above`."""
        for one in (SELECTORS[resource].resource, resource, *above):
            attribute = path_of(f"{one}.{text}")
            if attribute and attribute.type in (*NUMBERS, ANY) and not attribute.is_list:
                self.paths.add(attribute.text)
                return attribute
        return self.wrong(path, f"is no numeric attribute of {resource}")

    # --- What is done -----------------------------------------------------------------------------

    def _effect(self, kind: str, found: Mapping[str, Any], path: str) -> Effect | Any:
        _, resource, _ = found["selector"]
        value = found["value"]
        apply_on = self._apply_on(found["apply_on"], f"{path}.apply_on", resource) if "apply_on" in found else None
        if apply_on is INVALID:
            return INVALID
        if kind == "percentage":
            return Percentage(value, apply_on, found.get("round", False))
        if kind == "fixed_amount":
            return FixedAmount(value, apply_on, found.get("discount_mode") == "distributed")
        if kind == "fixed_price":
            return FixedPrice(value)
        if kind == "buy_x_pay_y":
            return BuyXPayY(value["x"], value["y"], value.get("result_item_limit"))
        return self._every(value, f"{path}.value.attribute", resource)

    def _apply_on(self, text: str, path: str, resource: str) -> Any:
        options = SELECTORS[resource].apply_on
        if text not in options:
            return self.wrong(
                path, f"must be one of {', '.join(options)}" if options else f"does not go with {resource}"
            )
        self.paths.add(f"{SELECTORS[resource].resource}.{text}")
        return None if text == "unit_amount_cents" else path_of(f"{SELECTORS[resource].resource}.{text}")

    def _every(self, value: Mapping[str, Any], path: str, resource: str) -> Effect | Any:
        written = value["attribute"]
        text = written.removeprefix(f"{resource}.").removeprefix(f"{SELECTORS[resource].resource}.")
        attribute = self._number(text.removeprefix("order."), path, resource, ORDER)
        return INVALID if attribute is INVALID else EveryXDiscountY(value["x"], value["y"], attribute)
