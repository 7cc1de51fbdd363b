from functools import partial

from django.conf import settings
from django.db import models

from commerce.api import Resource, registry
from commerce.auth import Caller
from commerce.jsonapi.resource import Derived
from commerce.models import Application, Organization
from commerce.models.access import is_public
from commerce.models.organizations import DEFAULTS, in_force
from commerce.permissions import Reach
from commerce.resources.activity import EVENT_STORES


def domain(slug: str) -> str:
    return f"{slug}.{settings.DOMAIN}"


@registry.register
class Organizations(Resource):
    type = "organizations"
    path = "organization"
    model = Organization
    singleton = True
    actions = ("retrieve",)
    attributes = (
        "name",
        "slug",
        "domain",
        "support_phone",
        "support_email",
        "logo_url",
        "favicon_url",
        "primary_color",
        "gtm_id",
        "gtm_id_test",
        "config",
        *DEFAULTS,
    )
    columns = {
        "domain": Derived(domain, "slug"),
        **{name: Derived(partial(in_force, name), "settings") for name in DEFAULTS},
    }
    relationships = (EVENT_STORES,)

    def rows(self, tenant: Reach) -> models.QuerySet:
        return Organization.objects.filter(pk=tenant.organization_id)

    def singleton_key(self, caller: Caller) -> int:
        return caller.tenant.organization_id


@registry.register
class Applications(Resource):
    type = "applications"
    path = "application"
    model = Application
    singleton = True
    actions = ("retrieve",)
    attributes = ("name", "kind", "public_access", "redirect_uri", "scopes")
    columns = {"public_access": Derived(is_public, "kind"), "redirect_uri": "redirect_uris"}

    def singleton_key(self, caller: Caller) -> int:
        return caller.application_id
