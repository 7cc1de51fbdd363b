"""The product's settings as they are, with the floors and the baseline served beside it."""

import os

from config.settings import *  # noqa: F403

ROOT_URLCONF = "tests.bench.urls"
RATE_LIMITS |= {"read": "10000000/10 10000000/60", "write": "10000000/10 10000000/60"}  # noqa: F405
"""The default's two windows, wide enough not to end a measurement."""

LOGGING["handlers"]["stderr"]["stream"] = open(os.devnull, "w")  # noqa: F405, SIM115
"""Every request is logged, and nobody has to read it."""
