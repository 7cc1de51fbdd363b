from django.urls import path

from config.urls import *  # noqa: F403
from tests.bench import floors, stock

urlpatterns += [  # noqa: F405
    path("floor/constant", floors.constant),
    path("floor/row/<int:key>", floors.row),
    *stock.urlpatterns,
]
