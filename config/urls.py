from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from commerce import api, health, oauth
from coupons.evaluations import evaluations
from promotions import rule_checks

urlpatterns = [
    path("api/evaluations", evaluations),
    path("api/evaluations/", evaluations),
    path("api/rules/check", rule_checks.check),
    path("api/<path:path>", api.route),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("oauth/token", oauth.token),
    path("oauth/token/", oauth.token),
    path("oauth/revoke", oauth.revoke),
    path("oauth/revoke/", oauth.revoke),
    path("oauth/tokeninfo", oauth.tokeninfo),
    path("oauth/tokeninfo/", oauth.tokeninfo),
    path(".well-known/jwks.json", oauth.jwks),
]

handler400 = "commerce.jsonapi.views.bad_request"
handler404 = "commerce.jsonapi.views.unknown_url"
handler500 = "commerce.jsonapi.views.server_error"
