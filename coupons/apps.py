from django.apps import AppConfig


class CouponsConfig(AppConfig):
    name = "coupons"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from coupons import redemptions, redemptions_admin, resources  # noqa: F401  (declares them, registers pages)
