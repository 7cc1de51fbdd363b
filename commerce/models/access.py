import re
import secrets

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from oauth2_provider.models import AbstractApplication

from commerce.models.owned import Organization, Owned

ACTIONS = ("create", "read", "update", "destroy")
SHORTEST_LIFETIME, LONGEST_LIFETIME = 2 * 3600, 365 * 24 * 3600
MOST_SCOPES = 2000
"""Letters a list of scopes may have."""

_HAS_OWNER = models.Q(owner_id__isnull=False)
_SCOPE = re.compile(r"market:all|market:\d+|(market|store|stock_location):(id|code):[\w.-]+", re.ASCII)


def validate_permissions(value: object) -> None:
    """`{resource type: [actions]}`, the form in which clients read permissions."""
    if not isinstance(value, dict):
        raise ValidationError("must be an object of resource types")
    for resource_type, actions in value.items():
        if not isinstance(actions, list) or not set(map(str, actions)) <= set(ACTIONS):
            raise ValidationError(f"{resource_type} must list some of {', '.join(ACTIONS)}")


def is_scope(scope: str) -> bool:
    return len(scope) <= MOST_SCOPES and all(map(_SCOPE.fullmatch, scope.split(" ")))


def validate_scope(value: str) -> None:
    """Scopes separated by single spaces: `market:all`, `market:id:X`, `store:code:X` and their like."""
    if not is_scope(value):
        raise ValidationError("must be scopes such as market:all or market:code:X, separated by spaces")


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
    name = models.CharField(max_length=255)
    kind = models.CharField(max_length=32, choices=Kind)
    role = models.ForeignKey(Role, on_delete=models.PROTECT, null=True, blank=True, related_name="applications")
    scopes = models.CharField(max_length=MOST_SCOPES, default="market:all", validators=[validate_scope])
    token_lifetime = models.PositiveIntegerField(
        default=4 * 3600,
        validators=[MinValueValidator(SHORTEST_LIFETIME), MaxValueValidator(LONGEST_LIFETIME)],
        help_text="Seconds, from two hours to a year.",
    )

    unversioned = Owned.unversioned | {"client_secret", "created", "updated"}
    taken = {"application_name": "name"}

    class Meta(AbstractApplication.Meta):
        abstract = False
        constraints = [models.UniqueConstraint(fields=["organization", "mode", "name"], name="application_name")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_public(self) -> bool:
        return is_public(self.kind)


def is_public(kind: str) -> bool:
    """Whether applications of this kind run where a secret cannot be kept."""
    return kind == Application.Kind.SALES_CHANNEL


def new_token_number() -> str:
    return secrets.token_hex(16)


class OfOwner(models.Model):
    """Issued in the name of somebody: a `Customer` of the application's tenant or a `User` of the admin, by key."""

    owner_type = models.CharField(max_length=8, null=True)
    owner_id = models.BigIntegerField(null=True)

    class Meta:
        abstract = True


class IssuedToken(OfOwner):
    """An access token by its claims. The token itself is not stored: signing the same claims gives the same token."""

    application = models.ForeignKey(Application, on_delete=models.CASCADE, db_index=False, related_name="issued_tokens")
    number = models.CharField(max_length=32, unique=True, default=new_token_number)
    claims = models.JSONField()
    digest = models.CharField(max_length=64)
    """SHA-256 of the claims but number and times: who asks for the same again is given the same token."""
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, db_index=True)

    class Meta:
        indexes = [
            models.Index(fields=["application", "digest", "expires_at"], name="issued_token_standing"),
            models.Index(fields=["owner_type", "owner_id"], name="issued_token_owner", condition=_HAS_OWNER),
        ]

    def __str__(self) -> str:
        return self.number


class IssuedGrant(OfOwner):
    """What an application may exchange for tokens once: an authorization code or a refresh token, by its hash."""

    class Kind(models.TextChoices):
        CODE = "authorization_code"
        REFRESH = "refresh_token"

    application = models.ForeignKey(Application, on_delete=models.CASCADE, db_index=False, related_name="issued_grants")
    kind = models.CharField(max_length=18, choices=Kind)
    digest = models.CharField(max_length=64, unique=True)
    scope = models.CharField(max_length=MOST_SCOPES)
    custom_claim = models.JSONField(null=True)
    redirect_uri = models.TextField(default="")
    is_public = models.BooleanField(default=False)
    """Whether it was given to an application that did not prove itself; to any other it is worth nothing unproven."""
    expires_at = models.DateTimeField()
    spent_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["application", "expires_at"], name="issued_grant_application"),
            models.Index(fields=["owner_type", "owner_id"], name="issued_grant_owner", condition=_HAS_OWNER),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.application}"


class ApiKey(models.Model):
    """A secret that proves an application by itself, for dialects that know no tokens. Only its hash is kept."""

    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="api_keys")
    digest = models.CharField(max_length=64, unique=True)
    """SHA-256 of the key, which is too random to be guessed from it."""
    ending = models.CharField(max_length=4)
    """By which people tell their keys apart."""
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"...{self.ending} of {self.application}"
