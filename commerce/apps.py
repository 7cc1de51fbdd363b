from django.apps import AppConfig


class CommerceConfig(AppConfig):
    name = "commerce"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from commerce import (  # noqa: F401  (registers pages, declares resources)
            catalog_admin,
            customers_admin,
            gift_cards_admin,
            orders_admin,
            resources,
        )
