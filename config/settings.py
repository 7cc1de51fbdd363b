"""Settings, read from the environment. Defaults are safe for production; the embedded start needs none of them.

Without DATABASE_URL the server is embedded: SQLite and generated keys in DATA_DIR. With it, keys must be given.
"""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from commerce import keys

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env.str("DATA_DIR", str(BASE_DIR / ".data"))).absolute()

EMBEDDED = env.bool("EMBEDDED", not env.str("DATABASE_URL", ""))
DEBUG = env.bool("DEBUG", False)
BEHIND_TLS = env.bool("BEHIND_TLS", not EMBEDDED)

SECRET_KEY = env.str("SECRET_KEY", "")
SIGNING_KEY_FILES = [Path(path) for path in env.list("SIGNING_KEY_FILES", default=[])]
"""PEM files of RSA keys: the first signs access tokens, all verify them."""
if EMBEDDED:
    SECRET_KEY = SECRET_KEY or keys.kept_secret(DATA_DIR / "secret_key")
    SIGNING_KEY_FILES = SIGNING_KEY_FILES or [keys.kept_signing_key(DATA_DIR / "signing_key.pem")]
if not SECRET_KEY:
    raise ImproperlyConfigured("SECRET_KEY is required with DATABASE_URL")
if not SIGNING_KEY_FILES:
    raise ImproperlyConfigured("SIGNING_KEY_FILES is required; make one: EMBEDDED=1 manage.py create_signing_key FILE")

# --- Applications ---------------------------------------------------------------------------------

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "corsheaders",
    "django_filters",
    "oauth2_provider",
    "rest_framework",
    "commerce",
    "promotions",
    "coupons",
    "tags",
    "django.contrib.admin",  # after what overrides its templates
]

MIDDLEWARE = [
    "commerce.requests.RequestLogMiddleware",
    "commerce.requests.ForwardedMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    # Refuses a host that is malformed or not allowed, so any view may build absolute links.
    "django.middleware.common.CommonMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True

# --- Database -------------------------------------------------------------------------------------

STATEMENT_TIMEOUT = env.float("STATEMENT_TIMEOUT", 10.0)
"""Seconds a list may search before it is refused. The server asks it of every statement, commands of none."""

if env.str("DATABASE_URL", ""):
    DATABASES = {"default": env.db_url("DATABASE_URL")}
else:
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA_DIR / "tessera.sqlite3"}}

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"].setdefault("OPTIONS", {}).update(
        transaction_mode="IMMEDIATE",
        timeout=20,
        init_command="PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-64000;",
    )
else:
    DATABASES["default"]["ENGINE"] = "config.postgresql"
    DATABASES["default"]["CONN_MAX_AGE"] = None
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    options = DATABASES["default"].setdefault("OPTIONS", {})
    options.setdefault("connect_timeout", 5)
    if env.bool("SERVING", False) and STATEMENT_TIMEOUT:
        options["options"] = f"-c statement_timeout={int(STATEMENT_TIMEOUT * 1000)}"

CACHES = {"default": env.cache_url("CACHE_URL", default="locmemcache://?max_entries=100000")}

# --- HTTP -----------------------------------------------------------------------------------------

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["*"])
"""Any by default: the tenant comes from the token, never from the host."""
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])
"""Addresses or networks whose X-Forwarded-* headers are believed."""
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_TLS
SECURE_SSL_REDIRECT = False
"""The proxy redirects; an API that answers a POST with a redirect loses it."""
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", 31_536_000 if BEHIND_TLS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("HSTS_INCLUDE_SUBDOMAINS", False)
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# The redirect is above; subdomains and preloading bind hosts that may not be ours.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021"]

DATA_UPLOAD_MAX_MEMORY_SIZE = env.int("MAX_BODY_SIZE", 2_621_440)

CORS_ALLOW_ALL_ORIGINS = True
"""Bearer tokens, never cookies, open the API, so any page may call it."""
CORS_URLS_REGEX = r"^/(api|oauth|\.well-known)/"
CORS_ALLOW_METHODS = ["GET", "POST", "PATCH", "DELETE", "OPTIONS"]
CORS_ALLOW_HEADERS = [
    "authorization",
    "content-type",
    "accept",
    "user-agent",
    "if-match",
    "if-none-match",
    "idempotency-key",
    "x-request-id",
]
CORS_EXPOSE_HEADERS = [
    "x-ratelimit-interval",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "Authorization",
    "ETag",
    "Location",
    "Retry-After",
    "x-request-id",
]

STATIC_URL = "/static/"
STATIC_ROOT = env.str("STATIC_ROOT", "" if EMBEDDED else str(DATA_DIR / "static"))
"""Where `collectstatic` puts the admin's files. The embedded start serves them from where they are."""
WHITENOISE_USE_FINDERS = EMBEDDED

# --- API ------------------------------------------------------------------------------------------

ORDER_PRICING = "coupons.pricing"
"""What discounts orders: a module with the functions of `commerce.pricing.Pricing`."""

ISSUER = env.str("ISSUER", "https://auth.localhost")
"""`iss` of every token, `https://auth.<domain[:port]>`: clients take the API's domain from it."""
DOMAIN = urlsplit(ISSUER).netloc.removeprefix("auth.")
REGION = env.str("REGION", "eu-west-1")
"""Told in every token; clients show it and nothing depends on it."""
OUTGOING_ALLOWED_HOSTS = env.list("OUTGOING_ALLOWED_HOSTS", default=[])
"""`host` or `host:port` of servers that may be called though they are private or speak plain HTTP."""


def _matching(pattern: str, variable: str, value: str, wanted: str) -> str:
    if not re.fullmatch(pattern, value, re.ASCII):
        raise ImproperlyConfigured(f"{variable} must be {wanted}")
    return value


_MOUNT = r"|/|(?!/(api|admin|oauth|static|healthz|readyz)(/|\Z))(/[\w~-][\w.~-]*)+"
"""Where a dialect is served: nowhere, at the root, or below a path that is not ours."""
REBILLY_MOUNT = _matching(_MOUNT, "REBILLY_MOUNT", env.str("REBILLY_MOUNT", ""), "/ or a free path such as /rebilly")
TICKETING_MOUNT = _matching(_MOUNT, "TICKETING_MOUNT", env.str("TICKETING_MOUNT", ""), "/ or a free path such as /t")

_usage_count = env.str("TICKETING_USAGE_COUNT", "")
_matching(r"|[1-9]\d{0,9}", "TICKETING_USAGE_COUNT", _usage_count, "a whole number above zero")
TICKETING_USAGE_COUNT = int(_usage_count) if _usage_count else None
"""How often a code of the ticketing dialect may be used where nothing says; None is without limit."""
TICKETING_CURRENCY = _matching(
    "[A-Z]{3}", "TICKETING_CURRENCY", env.str("TICKETING_CURRENCY", "EUR"), "a currency such as EUR"
)
"""That of its coupons, where not all price lists have the same."""

RATE_LIMITS = {
    "oauth": env.str("RATE_LIMIT_OAUTH", "30/60"),
    "read": env.str("RATE_LIMIT_READ", "250/10 1000/60"),
    "write": env.str("RATE_LIMIT_WRITE", "50/10 200/60"),
    "codes": env.str("RATE_LIMIT_CODES", "30/60 300/3600"),
    "passwords": env.str("RATE_LIMIT_PASSWORDS", "5/60 20/3600"),
}
"""Requests per window in seconds, per application. "" switches one off.

Of oauth they are per address and client; of codes it is codes that do not work, per token and address;
of passwords it is wrong ones, per application and e-mail or, at the login page, per user.
"""

OAUTH2_PROVIDER_APPLICATION_MODEL = "commerce.Application"
# Of what RFC 9700 advises against, clients need passwords exchanged for tokens and codes without PKCE: our validator
# opens both, the first to sales channels and the second to applications that prove themselves, and nothing else does.
OAUTH2_PROVIDER = {
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
    "PKCE_REQUIRED": True,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
}

REST_FRAMEWORK: dict[str, Any] = {
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
}

# --- Logs -----------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "commerce.requests.JsonFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", "INFO")},
    # The request line tells every 4xx already.
    "loggers": {"django.request": {"level": "ERROR"}, "django.security.DisallowedHost": {"level": "CRITICAL"}},
}
