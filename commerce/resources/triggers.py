"""Triggers that several resources share; each calls the method of its row."""

from typing import Any

from commerce.changes import By
from commerce.jsonapi.resource import Trigger


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
