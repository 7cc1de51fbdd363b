"""The `rules` of a flex promotion, from the wire to the engine, within the limits of its organization."""

from collections.abc import Callable
from functools import partial
from sys import maxsize
from typing import Any, cast
from uuid import uuid4

from django.core.exceptions import ValidationError

from commerce import patterns
from commerce.models import Organization
from promotions.engine import flex


def checked(rules: object, organization: Organization) -> Any:
    """The rules as they are stored: each with an id, each condition with a group.

    Raises ValidationError, which names what is wrong by its path.
    """
    try:
        program(rules, organization)
    except flex.BadRules as bad:
        raise ValidationError(
            [ValidationError(f"{path} {message}".strip(), "invalid") for path, message in bad.errors]
        ) from None
    return flex.normalised(cast("dict[str, Any]", rules), lambda path: str(uuid4()))


def program(rules: object, organization: Organization) -> flex.Program:
    """The rules as a benefit, within the limits of the organization. Raises flex.BadRules."""
    return flex.compiled(
        rules,
        max_rules=organization.setting("promotions_max_rules_size"),
        max_conditions=organization.setting("promotions_max_conditions_size"),
        max_regex=organization.setting("api_max_regex_length"),
        compile_pattern=_matcher,
    )


def stored_program(rules: object) -> flex.Program:
    """Rules that were checked when they were saved, whatever the organization's limits are now."""
    return flex.compiled(rules, max_rules=maxsize, max_conditions=maxsize, max_regex=maxsize, compile_pattern=_matcher)


def _matcher(pattern: str) -> Callable[[str], bool]:
    """Raises ValueError for what is no pattern."""
    try:
        patterns.compiled(pattern)
    except patterns.Error as error:
        raise ValueError(pattern) from error
    return partial(patterns.matches, pattern)
