from django.db import models

from commerce.models.owned import Mode, Organization, Owned


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
    payload = models.JSONField(null=True)
    """What is told of it, where that is more than which resource it is about."""

    class Meta:
        indexes = [
            models.Index(fields=["resource_type", "resource_id", "id"], name="event_resource"),
            models.Index(fields=["organization", "mode", "id"], name="event_tenant"),
        ]

    def __str__(self) -> str:
        return self.name


class PricingRevision(models.Model):
    """Raised with every change to what orders of a tenant are discounted by, so that a process knows what to keep."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, db_index=False, related_name="+")
    mode = models.CharField(max_length=4, choices=Mode)
    revision = models.BigIntegerField(default=1)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "mode"], name="pricing_revision_tenant")]

    def __str__(self) -> str:
        return str(self.revision)
