"""Every path with and without `3.0.0/` before it and a slash at its end.

What is not in the vendor's public documents is ours.
"""

from django.urls import URLPattern, include, path
from rest_framework.views import APIView

from coupons.dialects.ticketing.codes import Codes, Export, OneCodeView
from coupons.dialects.ticketing.coupons import Coupon, Coupons, Restored
from coupons.dialects.ticketing.products import AttachedProduct, AttachedProducts, Products
from coupons.dialects.ticketing.redemptions import OneRedemption, Redemptions, Release
from coupons.dialects.ticketing.views import Unknown

ROUTES: dict[str, type[APIView]] = {
    "coupon": Coupons,
    "coupon/redemption": Redemptions,
    "coupon/redemption/<str:redemption>": OneRedemption,
    "coupon/redemption/<str:redemption>/release": Release,
    "coupon/code/<str:code>": OneCodeView,
    "coupon/<str:coupon>": Coupon,
    "coupon/<str:coupon>/restore": Restored,
    "coupon/<str:coupon>/codes": Codes,
    "coupon/<str:coupon>/codes/export": Export,
    "coupon/<str:coupon>/products": AttachedProducts,
    "coupon/<str:coupon>/products/<str:product>": AttachedProduct,
    "product": Products,
}

_paths: list[URLPattern] = [
    *(path(f"{route}{slash}", view.as_view()) for route, view in ROUTES.items() for slash in ("", "/")),
    path("coupon/<path:rest>", Unknown.as_view()),
]

urlpatterns = [
    *_paths,
    path("3.0.0/", include([*_paths, path("", Unknown.as_view()), path("<path:rest>", Unknown.as_view())])),
]
