from django.apps import AppConfig


class CommerceConfig(AppConfig):
    name = "commerce"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from commerce import catalog_admin, customers_admin, resources  # noqa: F401  (registers pages, declares resources)
