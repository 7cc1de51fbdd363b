from datetime import datetime
from typing import Any

from commerce import ids
from commerce.api import Resource, registry
from commerce.jsonapi.attribute_filters import IdFilter
from commerce.jsonapi.resource import Derived, Rel, Trigger
from commerce.models import Event, Version

EVENTS = Rel("events", target="events", inverse="resource_id", typed=True)
VERSIONS = Rel("versions", target="versions", inverse="resource_id", typed=True, filterable=False)
EVENT_STORES = Rel(
    "event_stores", target="event_stores", inverse="resource_id", typed=True, filterable=False, includable=False
)


def fire(event: Event, value: Any, by: Any) -> None:
    """`_trigger`: delivers the event again. There are no receivers to deliver to yet."""


@registry.register
class Events(Resource):
    type = "events"
    model = Event
    actions = ("list", "retrieve", "update")
    attributes = ("name",)
    read_only = ("name",)
    filterable = sortable = ("name",)
    triggers = {"_trigger": Trigger(fire, on=("update",))}
    relationships = (EVENT_STORES,)
    absent_many = ("webhooks", "last_event_callbacks")


@registry.register
class Versions(Resource):
    type = "versions"
    model = Version
    actions = ("list", "retrieve")
    attributes = ("resource_type", "resource_id", "event", "changes", "who")
    columns = {"resource_id": Derived(ids.encode, "resource_id")}
    filterable = ("resource_type", "event")
    filters = {"resource_id": IdFilter("resource_id", ids.decode)}
    relationships = (EVENT_STORES,)


def event_store_id(key: int, created_at: datetime) -> str:
    """`{milliseconds}-{sequence}`, the form clients know; the sequence is the key."""
    return f"{round(created_at.timestamp() * 1000)}-{key}"


@registry.register
class EventStores(Resource):
    """The versions again, as the newer clients of the contract read them."""

    type = "event_stores"
    model = Version
    actions = ("list", "retrieve")
    id_columns = ("pk", "created_at")
    attributes = ("resource_type", "resource_id", "event", "payload", "who")
    columns = {"resource_id": Derived(ids.encode, "resource_id"), "payload": "changes"}
    filterable = ("resource_type", "event")
    filters = {"resource_id": IdFilter("resource_id", ids.decode)}

    def encode_id(self, key: Any, *columns: Any) -> str:
        return event_store_id(key, *columns)

    def decode_id(self, public_id: str) -> int | None:
        key = public_id.partition("-")[2]
        return int(key) if key.isascii() and key.isdigit() and len(key) < 19 else None
