from django.db import models

from commerce.models.owned import Owned


class Activity(Owned):
    """Something that happened to a resource. Rows are appended by `commerce.changes`, never edited."""

    resource_type = models.CharField(max_length=64)
    resource_id = models.BigIntegerField()

    class Meta:
        abstract = True


class Version(Activity):
    """What one change did to one row, and who did it. Served as `versions` and, in another shape, as `event_stores`."""

    wire_type = "versions"

    event = models.CharField(max_length=16)
    changes = models.JSONField(default=dict)
    who = models.JSONField(default=dict)

    class Meta:
        indexes = [
            models.Index(fields=["resource_type", "resource_id", "id"], name="version_resource"),
            models.Index(fields=["organization", "mode", "id"], name="version_tenant"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.resource_type}/{self.resource_id}"


class Event(Activity):
    """A named event, such as `coupons.create`."""

    wire_type = "events"

    name = models.CharField(max_length=96)

    class Meta:
        indexes = [
            models.Index(fields=["resource_type", "resource_id", "id"], name="event_resource"),
            models.Index(fields=["organization", "mode", "id"], name="event_tenant"),
        ]

    def __str__(self) -> str:
        return self.name
