"""The product's settings, with both dialects served."""

from config.settings import *  # noqa: F403

REBILLY_MOUNT = TICKETING_MOUNT = "/"
