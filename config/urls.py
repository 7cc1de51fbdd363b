from django.urls import path

from commerce import health

urlpatterns = [
    path("healthz", health.alive),
    path("readyz", health.ready),
]
