"""Every path with and without a slash at its end, since redirects lose what is sent; below an organization and bare."""

from collections.abc import Iterator

from django.urls import URLPattern, path

from coupons.dialects.rebilly import views
from coupons.dialects.rebilly.frame import Nowhere

PLACES = (
    ("coupons", views.Coupons, "rebilly-coupons"),
    ("coupons/<str:id>", views.OneCoupon, "rebilly-coupon"),
    ("coupons/<str:id>/expiration", views.Expiration, "rebilly-expiration"),
)


def _patterns() -> Iterator[URLPattern]:
    for root in ("organizations/<str:organization>/", ""):
        for route, view, name in PLACES:
            yield path(f"{root}{route}", view.as_view(), name=name)
            yield path(f"{root}{route}/", view.as_view())
    yield path("organizations/<str:organization>/<path:rest>", Nowhere.as_view())


urlpatterns = list(_patterns())
