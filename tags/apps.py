from django.apps import AppConfig


class TagsConfig(AppConfig):
    name = "tags"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from tags import resources  # noqa: F401  (declares them)
