"""Putting tags on resources and taking them off."""

from typing import Any

from django.core.exceptions import ValidationError

from commerce import changes
from commerce.jsonapi.writing import ADD, REMOVE, REPLACE
from commerce.models.records import too_long
from tags.models import Tag


def change_tags(row: Any, tags: list[Tag], how: str, by: changes.By) -> None:
    """Adds, removes or replaces the tags of `row`, which its caller has locked; told as a version and `tagged`."""
    held = {tag.pk: tag for tag in row.tags.all()}
    given = {tag.pk: tag for tag in tags}
    wanted = {ADD: held | given, REMOVE: {key: held[key] for key in held.keys() - given.keys()}, REPLACE: given}[how]
    if wanted.keys() == held.keys():
        return
    if len(wanted) > len(held):
        _check_number(row, len(wanted))
    row.tags.add(*(wanted.keys() - held.keys()))
    row.tags.remove(*(held.keys() - wanted.keys()))
    changes.touch(row, "tagged", {"tags": [_names(held), _names(wanted)]}, by)


def add_tags(row: Any, names: str, by: changes.By) -> None:
    """`_add_tags`: names that are no tag of the tenant are passed over, as the contract says."""
    change_tags(row, _named(row, names), ADD, by)


def remove_tags(row: Any, names: str, by: changes.By) -> None:
    change_tags(row, _named(row, names), REMOVE, by)


def _named(row: Any, names: str) -> list[Tag]:
    wanted = {name.strip() for name in names.replace("\x00", "").split(",")}
    tags = Tag.objects.owned_by(row.tenant).filter(name__in=wanted)
    return list(tags.select_for_update(no_key=True).order_by("pk"))


def _names(tags: dict[int, Tag]) -> list[str]:
    return sorted(tag.name for tag in tags.values())


def _check_number(row: Any, number: int) -> None:
    most = row.organization.setting("tags_max_allowed_number")
    if number > most:
        raise ValidationError({"tags": too_long(most, "tags")})
