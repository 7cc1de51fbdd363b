"""The baseline: the same tables behind djangorestframework-jsonapi as its manual shows it, open to everybody."""

from typing import Any

from django.urls import path
from rest_framework.routers import SimpleRouter
from rest_framework_json_api import serializers, views
from rest_framework_json_api.django_filters import DjangoFilterBackend
from rest_framework_json_api.pagination import JsonApiPageNumberPagination
from rest_framework_json_api.parsers import JSONParser
from rest_framework_json_api.relations import ResourceRelatedField, SerializerMethodHyperlinkedRelatedField
from rest_framework_json_api.renderers import JSONRenderer

from commerce import clock
from commerce.models import Event, Version
from coupons.models import Coupon, CouponRecipient
from promotions.models import CouponCodesPromotionRule
from tags.models import Tag

LINKS = {"self_link_view_name": "coupon-relationships", "related_link_view_name": "coupon-related"}
COMMON = ("created_at", "updated_at", "reference", "reference_origin", "metadata")
OWN = ("code", "customer_single_use", "usage_limit", "usage_count", "expires_at")


class RuleSerializer(serializers.ModelSerializer):
    class Meta:
        model = CouponCodesPromotionRule
        fields = COMMON


class RecipientSerializer(serializers.ModelSerializer):
    class Meta:
        model = CouponRecipient
        fields = ("email", "first_name", "last_name", *COMMON)


class TagSerializer(serializers.ModelSerializer):
    class Meta:
        model = Tag
        fields = ("name", *COMMON)


class CouponSerializer(serializers.ModelSerializer):
    promotion_rule = ResourceRelatedField(queryset=CouponCodesPromotionRule.objects, **LINKS)
    coupon_recipient = ResourceRelatedField(queryset=CouponRecipient.objects, required=False, **LINKS)
    tags = ResourceRelatedField(queryset=Tag.objects, many=True, required=False, **LINKS)
    events = SerializerMethodHyperlinkedRelatedField(model=Event, many=True, **LINKS)
    versions = SerializerMethodHyperlinkedRelatedField(model=Version, many=True, **LINKS)
    event_stores = SerializerMethodHyperlinkedRelatedField(model=Version, many=True, **LINKS)

    included_serializers = {
        "promotion_rule": RuleSerializer,
        "coupon_recipient": RecipientSerializer,
        "tags": TagSerializer,
    }

    class Meta:
        model = Coupon
        fields = (*OWN, *COMMON, "promotion_rule", "coupon_recipient", "tags", "events", "versions", "event_stores")


class CouponView(views.ModelViewSet):
    queryset = Coupon.objects.order_by("pk")
    serializer_class = CouponSerializer
    renderer_classes = [JSONRenderer]
    parser_classes = [JSONParser]
    pagination_class = JsonApiPageNumberPagination
    filter_backends = [DjangoFilterBackend]
    filterset_fields = ("code_norm",)

    def perform_create(self, serializer: Any) -> None:
        given, now = serializer.validated_data, clock.now()
        tenant = {"organization_id": given["promotion_rule"].organization_id, "mode": given["promotion_rule"].mode}
        serializer.save(**tenant, code_norm=given["code"], created_at=now, updated_at=now)


class CouponRelationshipView(views.RelationshipView):
    queryset = Coupon.objects


router = SimpleRouter(trailing_slash=False)
router.register("stock/coupons", CouponView)
urlpatterns = [
    *router.urls,
    path(
        "stock/coupons/<pk>/relationships/<related_field>",
        CouponRelationshipView.as_view(),
        name="coupon-relationships",
    ),
    path("stock/coupons/<pk>/<related_field>", CouponView.as_view({"get": "retrieve_related"}), name="coupon-related"),
]
