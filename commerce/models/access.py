import secrets

from django.core.exceptions import ValidationError
from django.db import models
from oauth2_provider.models import AbstractApplication

from commerce.models.owned import Mode, Organization, Owned

ACTIONS = ("create", "read", "update", "destroy")


def validate_permissions(value: object) -> None:
    """`{resource type: [actions]}`, the form in which clients read permissions."""
    if not isinstance(value, dict):
        raise ValidationError("must be an object of resource types", code="invalid")
    for resource_type, actions in value.items():
        if not isinstance(actions, list) or not set(map(str, actions)) <= set(ACTIONS):
            raise ValidationError(f"{resource_type} must list some of {', '.join(ACTIONS)}", code="invalid")


class Role(models.Model):
    """What an integration or webapp may do. An application without a role may do everything."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="roles")
    name = models.CharField(max_length=255)
    permissions = models.JSONField(default=dict, validators=[validate_permissions])

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "name"], name="role_name")]

    def __str__(self) -> str:
        return self.name


class Application(AbstractApplication, Owned):
    """An OAuth2 client of one tenant. Its kind decides what it may do at most, its role what it may do."""

    class Kind(models.TextChoices):
        INTEGRATION = "integration"
        SALES_CHANNEL = "sales_channel"
        WEBAPP = "webapp"

    wire_type = "applications"

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=32, choices=Kind)
    role = models.ForeignKey(Role, on_delete=models.PROTECT, null=True, blank=True, related_name="applications")
    scopes = models.CharField(max_length=2000, default="market:all", blank=True)
    token_lifetime = models.PositiveIntegerField(default=4 * 3600, help_text="Seconds, from two hours to a year.")

    unversioned = Owned.unversioned | {"client_secret", "created", "updated"}
    taken = {"application_name": "name"}

    class Meta(AbstractApplication.Meta):
        abstract = False
        constraints = [models.UniqueConstraint(fields=["organization", "mode", "name"], name="application_name")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_public(self) -> bool:
        return self.kind == self.Kind.SALES_CHANNEL


def new_token_number() -> str:
    return secrets.token_hex(16)


class IssuedToken(models.Model):
    """An access token by its claims. The token itself is not stored: signing the same claims gives the same token."""

    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="issued_tokens")
    number = models.CharField(max_length=32, unique=True, default=new_token_number)
    claims = models.JSONField()
    expires_at = models.DateTimeField(db_index=True)
    revoked_at = models.DateTimeField(null=True, db_index=True)

    def __str__(self) -> str:
        return self.number


__all__ = ["ACTIONS", "Application", "IssuedToken", "Mode", "Role"]
