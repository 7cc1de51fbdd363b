from django.conf import settings
from django.contrib import admin
from django.urls import URLResolver, include, path
from django.views.generic import RedirectView

from commerce import api, authorize, health, oauth
from coupons.cart_page import try_a_cart
from coupons.evaluations import evaluations, flex_check, order_evaluation
from promotions import rule_checks


def mounted(mount: str, dialect: str) -> list[URLResolver]:
    """The URLs of a dialect below `mount`; none where it is off."""
    return [path(f"{mount}/".lstrip("/"), include(f"coupons.dialects.{dialect}.urls"))] if mount else []


urlpatterns = [
    path("api/evaluations", evaluations),
    path("api/evaluations/", evaluations),
    path("api/orders/<str:id>/evaluation", order_evaluation),
    path("api/flex_promotions/<str:id>/check/<str:order_id>", flex_check),
    path("api/rules/check", rule_checks.check),
    path("api/<path:path>", api.route),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/try-a-cart/", admin.site.admin_view(try_a_cart), name="try-a-cart"),
    path("admin/", admin.site.urls),
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("oauth/token", oauth.token),
    path("oauth/token/", oauth.token),
    path("oauth/revoke", oauth.revoke),
    path("oauth/revoke/", oauth.revoke),
    path("oauth/authorize", authorize.authorize),
    path("oauth/authorize/", authorize.authorize),
    path("oauth/tokeninfo", oauth.tokeninfo),
    path("oauth/tokeninfo/", oauth.tokeninfo),
    path(".well-known/jwks.json", oauth.jwks),
    *mounted(settings.REBILLY_MOUNT, "rebilly"),
    *mounted(settings.TICKETING_MOUNT, "ticketing"),
]

handler400 = "commerce.jsonapi.views.bad_request"
handler404 = "commerce.jsonapi.views.unknown_url"
handler500 = "commerce.jsonapi.views.server_error"
