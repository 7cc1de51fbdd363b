from commerce.models.access import Application, IssuedToken, Role
from commerce.models.activity import Event, Version
from commerce.models.kinds import KindManager, OfKind
from commerce.models.organizations import Organization
from commerce.models.owned import Mode, Owned, OwnedQuerySet, Tenant

__all__ = [
    "Application",
    "Event",
    "IssuedToken",
    "KindManager",
    "Mode",
    "OfKind",
    "Organization",
    "Owned",
    "OwnedQuerySet",
    "Role",
    "Tenant",
    "Version",
]
