"""Patterns that clients write, on RE2: whatever they are, matching takes time linear in the text."""

from collections.abc import Iterable
from functools import lru_cache, partial
from typing import Any

import re2
from django.core.exceptions import ValidationError

from commerce.models.organizations import Organization
from commerce.models.owned import Owned
from commerce.models.records import check_each, too_long

Error = re2.error

MAX_MEMORY = 1 << 20
"""Bytes a compiled pattern may take, and as many again while it matches; RE2 refuses what needs more."""

_OPTIONS = re2.Options()
_OPTIONS.max_mem = MAX_MEMORY
_OPTIONS.log_errors = False


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Any:
    """What `search`es a text for the pattern. Raises re2.error."""
    return re2.compile(pattern, _OPTIONS)


def check_pattern(pattern: str, organization: Organization) -> None:
    """Raises ValidationError for what RE2 refuses or the organization finds too long."""
    longest = organization.setting("api_max_regex_length")
    if len(pattern) > longest:
        raise too_long(longest)
    try:
        compiled(pattern)
    except re2.error:
        raise ValidationError("is not a regular expression that can be used", code="invalid") from None


def check_patterns(row: Owned, names: Iterable[str]) -> None:
    """`check_pattern` of those attributes of `row` that hold something."""
    if problems := check_each(row, names, partial(check_pattern, organization=row.organization)):
        raise ValidationError(problems)


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern is found anywhere in the text."""
    return compiled(pattern).search(text) is not None
