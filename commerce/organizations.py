"""How an organization begins."""

from datetime import datetime

from commerce.models import Organization


def create_organization(slug: str, name: str, now: datetime) -> Organization:
    """A new organization. Raises ValidationError naming the attribute that is wrong or already taken."""
    organization = Organization(slug=slug, name=name, created_at=now, updated_at=now)
    organization.full_clean()
    organization.save(force_insert=True)
    return organization
