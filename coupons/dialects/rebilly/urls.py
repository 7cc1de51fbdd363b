"""Every path with and without a slash at its end, since redirects lose what is sent; below an organization and bare."""

from collections.abc import Iterator

from django.urls import URLPattern, path

from coupons.dialects.rebilly import invoices, redemptions, views
from coupons.dialects.rebilly.frame import Nowhere

PLACES = (
    ("coupons", views.Coupons, "rebilly-coupons"),
    ("coupons/<str:id>", views.OneCoupon, "rebilly-coupon"),
    ("coupons/<str:id>/expiration", views.Expiration, "rebilly-expiration"),
    ("coupons-redemptions", redemptions.Redemptions, "rebilly-redemptions"),
    ("coupons-redemptions/<str:id>", redemptions.OneRedemption, "rebilly-redemption"),
    ("coupons-redemptions/<str:id>/cancel", redemptions.Cancellation, "rebilly-cancellation"),
    ("coupons-redemptions/<str:id>/applications", invoices.Applications, "rebilly-applications"),
    ("coupons-redemptions/<str:id>/applications/<str:invoice>", invoices.Application, "rebilly-application"),
)


def _patterns() -> Iterator[URLPattern]:
    for root in ("organizations/<str:organization>/", ""):
        for route, view, name in PLACES:
            yield path(f"{root}{route}", view.as_view(), name=name)
            yield path(f"{root}{route}/", view.as_view())
    yield path("organizations/<str:organization>/<path:rest>", Nowhere.as_view())


urlpatterns = list(_patterns())
