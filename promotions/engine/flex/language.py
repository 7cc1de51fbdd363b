"""The check of flex rules when they are saved: JSON in, a Program or all that is wrong with it out."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from promotions.engine.flex.action_language import ActionReader
from promotions.engine.flex.condition_language import MAX_DEPTH, CompilePattern
from promotions.engine.flex.match import Conditions
from promotions.engine.flex.program import Program, Rule
from promotions.engine.flex.reading import INVALID, BadRules


def compiled(
    rules: object, *, max_rules: int, max_conditions: int, max_regex: int, compile_pattern: CompilePattern
) -> Program:
    """The program that `{"rules": [...]}` stands for. Raises BadRules with everything that is wrong."""
    check = Check(max_regex, compile_pattern)
    found = check.program(rules)
    check.sizes(rules, max_rules, max_conditions)
    if check.errors:
        raise BadRules(check.errors)
    return Program(tuple(sorted(found, key=lambda rule: rule.priority)), frozenset(check.paths))


def normalised(rules: Mapping[str, Any], new_id: Callable[[str], str]) -> dict[str, Any]:
    """Checked rules as they are stored: with an id for each rule and a group for each condition.

    `new_id` makes them from the path that lacks one, `rules.0` or `rules.0.conditions.1`.
    """
    return {"rules": [_normal_rule(rule, f"rules.{place}", new_id) for place, rule in enumerate(rules["rules"])]}


def _normal_rule(rule: Mapping[str, Any], path: str, new_id: Callable[[str], str]) -> dict[str, Any]:
    return {"id": rule.get("id") or new_id(path)} | _normal_conditions(rule, path, new_id)


def _normal_conditions(holder: Mapping[str, Any], path: str, new_id: Callable[[str], str]) -> dict[str, Any]:
    conditions = [
        _normal_condition(condition, f"{path}.conditions.{place}", new_id)
        for place, condition in enumerate(holder["conditions"])
    ]
    return {**holder, "conditions": conditions}


def _normal_condition(condition: Mapping[str, Any], path: str, new_id: Callable[[str], str]) -> dict[str, Any]:
    normal = {**condition, "group": condition.get("group") or new_id(path)}
    if "nested" in condition:
        normal["nested"] = _normal_conditions(condition["nested"], f"{path}.nested", new_id)
    return normal


class Check(ActionReader):
    """Reads whole payloads."""

    def sizes(self, rules: object, max_rules: int, max_conditions: int) -> None:
        counted = rules.get("rules") if isinstance(rules, dict) else None
        if not isinstance(counted, list):
            return
        if len(counted) > max_rules:
            self.wrong("rules", f"are {len(counted)}, and no more than {max_rules} may be")
        conditions = sum(1 for rule in counted for _ in _conditions_below(rule, MAX_DEPTH))
        if conditions > max_conditions:
            self.wrong(
                "rules", f"hold {conditions} conditions, nested ones included, and no more than {max_conditions} may be"
            )

    def program(self, rules: object) -> tuple[Rule, ...]:
        root = self.record(rules, "", {"rules": self.each(self.rule)}, ("rules",))
        if root is INVALID:
            return ()
        found: tuple[Rule, ...] = root["rules"]
        ids = Counter(rule.id for rule in found if rule.id)
        for place, rule in enumerate(found):
            if rule.id and ids[rule.id] > 1:
                self.wrong(f"rules.{place}.id", "is that of another rule too")
        return found

    def rule(self, value: Any, path: str) -> Any:
        groups: set[str] = set()
        found = self.record(
            value,
            path,
            {
                "id": self.string,
                "name": self.string,
                "priority": self.integer,
                "conditions_logic": self.one_of(("and", "or")),
                "conditions": self.each(self.conditions_in(groups)),
                "actions": self.each(lambda one, at: self.action(one, at, groups)),
            },
            ("name", "conditions", "actions"),
        )
        if found is INVALID:
            return INVALID
        conditions = Conditions(found.get("conditions_logic", "and"), found["conditions"])
        return Rule(found.get("id"), found["name"], found.get("priority", 0), conditions, found["actions"])


def _conditions_below(holder: Any, depth: int) -> Iterator[Any]:
    """All conditions in a rule or a nest of them, whatever else it is."""
    conditions = holder.get("conditions") if isinstance(holder, dict) else None
    for condition in conditions if isinstance(conditions, list) else ():
        yield condition
        if depth and isinstance(condition, dict):
            yield from _conditions_below(condition.get("nested"), depth - 1)
