"""What the server runs. SERVING makes the settings limit how long a statement may take."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("SERVING", "1")

from django.core.wsgi import get_wsgi_application  # the environment comes first

application = get_wsgi_application()
