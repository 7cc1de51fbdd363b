"""Triggers that several resources share; each calls the method of its row."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.db.models import Case, CharField, Value, When

from commerce.changes import By
from commerce.jsonapi.resource import Trigger
from commerce.models.records import invalid
from commerce.outgoing import MAX_FAILURES


def disable(row: Any, value: Any, by: By) -> None:
    row.disable(by.now)


def enable(row: Any, value: Any, by: By) -> None:
    row.enable()


def regenerate_shared_secret(row: Any, value: Any, by: By) -> None:
    row.regenerate_shared_secret()


def reset_circuit(row: Any, value: Any, by: By) -> None:
    row.reset_circuit()


DISABLING = {"_disable": Trigger(disable, sets="disabled_at"), "_enable": Trigger(enable, sets="disabled_at")}
REGENERATING = {"_regenerate_shared_secret": Trigger(regenerate_shared_secret, on=("update",))}
CIRCUIT = {"_reset_circuit": Trigger(reset_circuit, on=("update",))}
CIRCUIT_STATE = Case(
    When(circuit_failure_count__gt=MAX_FAILURES, then=Value("open")),
    default=Value("closed"),
    output_field=CharField(),
)
"""`outgoing.circuit_state`, in SQL."""


def asking(step: Callable[[Any, By], Any], sets: str = "") -> Trigger:
    """A trigger that takes a step with a row that is `Stepwise`."""
    return Trigger(partial(ask, step), on=("update",), sets=sets)


def ask(step: Callable[[Any, By], Any], row: Any, value: Any, by: By) -> None:
    row.ask_for(step)


def already(row: Any, value: Any, by: By) -> None:
    """What a trigger asks for that is so already."""


def refusing(**reasons: str) -> dict[str, Trigger]:
    """Triggers of what there is none of here: name -> why it is refused."""
    return {name: Trigger(partial(refuse, name, why), on=("update",)) for name, why in reasons.items()}


def refuse(name: str, why: str, row: Any, value: Any, by: By) -> None:
    raise invalid(name, why)
