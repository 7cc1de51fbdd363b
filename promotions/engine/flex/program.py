"""Flex rules ready to run: judge all rules, then let those that hold act, one after another."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from promotions.engine.cart import Cart, LinePart
from promotions.engine.flex.actions import Action, Done, Gift, summed
from promotions.engine.flex.document import Document
from promotions.engine.flex.match import Conditions, Finding, Groups
from promotions.engine.flex.targets import Taken
from promotions.engine.reasons import Refusal
from promotions.engine.types import Discount, Given, Promotion, Share


@dataclass(frozen=True, slots=True)
class Rule:
    """`id` is None only in rules that were not stored."""

    id: str | None
    name: str
    priority: int
    conditions: Conditions
    actions: tuple[Action, ...]

    def judge(self, document: Document) -> "Judged":
        return Judged(self, self.conditions.judge(document, {}))


@dataclass(frozen=True, slots=True)
class Judged:
    """A rule and what its conditions found in an order."""

    rule: Rule
    findings: Sequence[Finding]

    @property
    def holds(self) -> bool:
        return self.rule.conditions.hold(self.findings)

    def act(self, document: Document) -> list[Done]:
        if not self.holds:
            return []
        groups = Groups()
        for finding in self.findings:
            finding.grouped(groups)
        return [action.apply(document, groups) for action in self.rule.actions]

    def outcome(self, document: Document, done: Sequence[Done]) -> dict[str, Any]:
        actions = [one.outcome(document) for one in done]
        return {
            "id": self.rule.id,
            "name": self.rule.name,
            "match": self.holds,
            "conditions": [finding.outcome(document) for finding in self.findings],
            "actions": actions,
            "errors": [error for action in actions for error in action["errors"]],
        }


@dataclass(frozen=True, slots=True)
class Program:
    """The benefit of a flex promotion. Its rules act by priority, then in the order in which they were written.

    `paths` are the attributes of the order that the rules read: all that `types.Order.facts` needs to hold.
    """

    rules: tuple[Rule, ...]
    paths: frozenset[str]

    def apply(self, cart: Cart, promotion: Promotion, given: Given) -> Discount | Refusal:
        document = Document.of_cart(cart, given.now)
        judged = [rule.judge(document) for rule in self.rules]
        if not any(one.holds for one in judged):
            return Refusal("flex_rules_not_matched")
        done = [one.act(document) for one in judged]
        shares = _shares(cart, [taken for one in chain(*done) for taken in one.taken])
        if not shares:
            return Refusal("no_effect")
        return Discount(shares, _outcomes(document, judged, done))

    def outcomes(self, order: object, now: datetime) -> tuple[dict[str, Any], ...]:
        """What each rule would find and do in an order given by its facts alone, complete or not, right or wrong.

        Raises OverflowError, as `Document.of_facts`.
        """
        document = Document.of_facts(order, now)
        judged = [rule.judge(document) for rule in self.rules]
        return _outcomes(document, judged, [one.act(document) for one in judged])

    def gifts(self, cart: Cart, now: datetime) -> tuple[Gift, ...]:
        """The gifts that the rules which hold have to give, whether or not the order holds them yet."""
        document = Document.of_cart(cart, now)
        judged = (rule.judge(document) for rule in self.rules)
        actions = (action for one in judged if one.holds for action in one.rule.actions)
        return tuple(action.effect for action in actions if isinstance(action.effect, Gift))


def _outcomes(
    document: Document, judged: Sequence[Judged], done: Sequence[Sequence[Done]]
) -> tuple[dict[str, Any], ...]:
    return tuple(one.outcome(document, actions) for one, actions in zip(judged, done, strict=True))


def _shares(cart: Cart, taken: Taken) -> tuple[Share, ...]:
    """One share for each line and shipment that something came off, in the order of the cart."""
    cents_of = summed(taken)
    lines: list[tuple[LinePart, int]] = [(part, cents_of[part]) for part in cart.lines if cents_of.get(part)]
    shipments = [part.share(cents_of[part]) for part in cart.shipments if cents_of.get(part)]
    return (*cart.taken(lines), *shipments)
