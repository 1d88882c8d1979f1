"""Settings: everything comes from the environment, with defaults that run on a laptop.

A secret NAME may also be given as a file in NAME_FILE. What an operator may change at run time is a tenant
setting in the database, not an environment variable.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import tempfile
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy

from csms_project import logs
from csms_project.environment import Environment, read_secret
from csms_project.secrets import load_secret
from csms_project.settings_unfold import UNFOLD as UNFOLD

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()
TESTING = "pytest" in sys.modules
VERSION = "0.1.0.dev0"

# ---------------------------------------------------------------- data directory and secrets
DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / "var")))
if TESTING and "DATA_DIR" not in os.environ:
    # Tests neither read nor write the data of the installation.
    _tests_data = tempfile.TemporaryDirectory(prefix="csms-tests-")
    atexit.register(_tests_data.cleanup)
    DATA_DIR = Path(_tests_data.name)
PRODUCTION = env.bool("PRODUCTION", default=False)
DEBUG = env.bool("DEBUG", default=False)
_create = not PRODUCTION

SECRET_KEY, *SECRET_KEY_FALLBACKS = load_secret("SECRET_KEY", data_dir=DATA_DIR, create=_create)
CHARGER_KEY_PEPPERS = load_secret("CHARGER_KEY_PEPPER", data_dir=DATA_DIR, create=_create)
FIELD_ENCRYPTION_KEYS = load_secret("FIELD_ENCRYPTION_KEYS", data_dir=DATA_DIR, create=_create)

# ---------------------------------------------------------------- hosts and proxies
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[] if PRODUCTION else ["*"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])
PUBLIC_URL: str = env.str("PUBLIC_URL", default="")
TRUSTED_PROXIES: list[str] = env.list("TRUSTED_PROXIES", default=[])
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# Where chargers fetch firmware and put logs; `up` takes its own address.
FILES_URL: str = env.str("FILES_URL", default="") or PUBLIC_URL
METRICS_TOKEN: str = read_secret("METRICS_TOKEN")

# ---------------------------------------------------------------- applications
INSTALLED_APPS = [
    "daphne",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.import_export",
    "csms_project.dashboard.apps.CsmsAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "rest_framework_api_key",
    "rest_framework_simplejwt.token_blacklist",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "import_export",
    "django_prometheus",
    "django_structlog",
    "csms_project",
    "csms_project.common",
    "csms_project.dashboard",
    "accounts",
    "chargepoints",
    "transactions",
    "ocpp_gateway",
]
# It is there for `runserver`; to processes that serve by uvicorn its framework is 15 MB and a sixth of their start.
if sys.argv[1:2] in (["gateway"], ["up"], ["web"], ["worker"]):
    INSTALLED_APPS.remove("daphne")
MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "accounts.middleware.TenantMiddleware",
    "csms_project.dashboard.middleware.AdminMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]
ROOT_URLCONF = "csms_project.urls"
ASGI_APPLICATION = "csms_project.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# ---------------------------------------------------------------- database
DATABASE_URL: str = env.str("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'csms.sqlite3'}")
if TESTING:
    DATABASE_URL = env.str("TEST_DATABASE_URL", default="sqlite://:memory:")
DATABASES: dict[str, dict[str, Any]] = {"default": env.db_url_config(DATABASE_URL)}
_engine: str = DATABASES["default"].get("ENGINE", "")
SQLITE = "sqlite" in _engine
POSTGRESQL = "postgresql" in _engine
if SQLITE:
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-64000;",
    }
elif POSTGRESQL:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    # A server that has vanished without a word is found within half a minute.
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 5,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
    }
    # A pool for the web's many threads; CONN_MAX_AGE=0 without one reconnects for each request.
    if not TESTING:
        _pool_size = env.int("DATABASE_POOL", default=10)
        # It tries ever more rarely to reach a server that is away; after the time-out the next request tries at once.
        _patience = {"timeout": 5, "reconnect_timeout": 5}
        DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": _pool_size, **_patience}
    # Wakes the background jobs. Only here: its migrations know no SQLite, where the process ticks by itself.
    INSTALLED_APPS.insert(INSTALLED_APPS.index("csms_project"), "procrastinate.contrib.django")
    PROCRASTINATE_AUTODISCOVER_MODULE_NAME = ""
else:
    raise ImproperlyConfigured("DATABASE_URL must be a sqlite:// or a postgresql:// URL.")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ---------------------------------------------------------------- channel layer and cache
REDIS_URL: str = env.str("TEST_REDIS_URL" if TESTING else "REDIS_URL", default="")
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
if REDIS_URL:
    # The pubsub layer: the core layer closes every charger's socket when Redis stops.
    CHANNEL_LAYERS["default"] = {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {
            "hosts": [{"address": REDIS_URL, "socket_connect_timeout": 2, "health_check_interval": 10}],
            "prefix": env.str("REDIS_PREFIX", default="csms"),
        },
    }

# ---------------------------------------------------------------- people
AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")

# ---------------------------------------------------------------- language and time
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

# ---------------------------------------------------------------- static files
STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(DATA_DIR / "static")))
if TESTING:
    STATIC_ROOT.mkdir(exist_ok=True)  # else whitenoise warns at each start of the middleware
WHITENOISE_USE_FINDERS = not PRODUCTION
WHITENOISE_AUTOREFRESH = DEBUG

# ---------------------------------------------------------------- web security
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.bool("SECURE_COOKIES", default=PRODUCTION)
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=False)
# Probes and scrapers ask a process directly, without TLS; revocation lists are read by who checks TLS.
SECURE_REDIRECT_EXEMPT = [r"^health(/live)?$", r"^metrics$", r"^pki/"]
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31536000 if PRODUCTION else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024

# ---------------------------------------------------------------- REST API
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework_simplejwt.authentication.JWTAuthentication",
        "accounts.api.authentication.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.api.permissions.RolePermission"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["csms_project.common.api.parsers.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "csms_project.common.api.pagination.PagePagination",
    "DEFAULT_FILTER_BACKENDS": [
        "django_filters.rest_framework.DjangoFilterBackend",
        "csms_project.common.api.filters.StrictOrderingFilter",
    ],
    "DEFAULT_SCHEMA_CLASS": "csms_project.common.api.schema.ApiSchema",
    "DEFAULT_THROTTLE_RATES": {"token": env.str("API_FAILED_LOGIN_RATE", default="20/min")},
    # The server has put the client's address into REMOTE_ADDR if the proxy is one of TRUSTED_PROXIES.
    "NUM_PROXIES": 0,
    "EXCEPTION_HANDLER": "csms_project.common.api.problems.exception_handler",
    "COERCE_DECIMAL_TO_STRING": True,
    "PAGE_SIZE": 50,
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=7),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "UPDATE_LAST_LOGIN": True,
    # A new password ends all tokens that were given for the old one.
    "CHECK_REVOKE_TOKEN": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Charging station management system",
    "DESCRIPTION": "REST API for charge points, sessions, tokens and tariffs.",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "TokenStatus": "accounts.choices.TokenStatus",
        "AuthorizationStatus": "accounts.choices.AuthorizationStatus",
        "EnergyUnit": "chargepoints.choices.EnergyUnit",
        "AssignmentState": "chargepoints.choices.AssignmentState",
        "ChargingRateUnit": "chargepoints.choices.RateUnit",
        "ConnectorStatus": "chargepoints.choices.ConnectorStatus",
        "CommandStatus": "chargepoints.choices.CommandStatus",
        "SecurityProfile": "chargepoints.choices.SecurityProfile",
        "RegistrationStatus": "chargepoints.choices.RegistrationStatus",
        "ReservationStatus": "chargepoints.choices.ReservationStatus",
        "LocalListState": "chargepoints.choices.LocalListState",
        "CertificateState": "chargepoints.choices.CertificateState",
        "CertificatePurpose": "chargepoints.choices.CertificatePurpose",
        "ChargingProfilePurpose": "chargepoints.choices.ProfilePurpose",
        "RevocationReason": "chargepoints.choices.RevocationReason",
        "CertificateRequestState": "chargepoints.choices.CertificateRequestState",
        "AuthorityState": "chargepoints.choices.AuthorityState",
        "CampaignState": "chargepoints.choices.CampaignState",
        "FirmwareState": "chargepoints.choices.FirmwareState",
        "LogKind": "chargepoints.choices.LogKind",
        "LogState": "chargepoints.choices.LogState",
        "MonitorType": "chargepoints.monitoring_choices.MonitorType",
        "MonitorKind": "chargepoints.monitoring_choices.MonitorKind",
        "EventState": "chargepoints.monitoring_choices.EventState",
        "ReportState": "chargepoints.monitoring_choices.ReportState",
        "TransactionStatus": "transactions.choices.TransactionState",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "csms_project.common.api.schema.add_problems",
    ],
}

# ---------------------------------------------------------------- first tenant and admin, default tariff
DEFAULT_TENANT = "default"
# Used by `up` when there is no admin yet; an empty password means a generated one.
CSMS_ADMIN_USERNAME: str = env.str("CSMS_ADMIN_USERNAME", default="admin")
CSMS_ADMIN_PASSWORD: str = read_secret("CSMS_ADMIN_PASSWORD")
TARIFF_PRICE_PER_KWH: Decimal = env.get_value("TARIFF_PRICE_PER_KWH", cast=Decimal, default=Decimal("0.40"))
TARIFF_CURRENCY: str = env.str("TARIFF_CURRENCY", default="EUR")
TARIFF_VAT_PERCENT: Decimal = env.get_value("TARIFF_VAT_PERCENT", cast=Decimal, default=Decimal(0))

# ---------------------------------------------------------------- OCPP gateway
OCPP_PATH = "/ocpp/"
OCPP_VERSIONS: list[str] = env.list("OCPP_VERSIONS", default=["1.6", "2.0.1", "2.1"])
OCPP_SUBPROTOCOLS = [f"ocpp{version.strip()}" for version in OCPP_VERSIONS]
OCPP_HEARTBEAT_INTERVAL_S = env.int("OCPP_HEARTBEAT_INTERVAL_S", default=300)
OCPP_PENDING_INTERVAL_S = env.int("OCPP_PENDING_INTERVAL_S", default=60)
OCPP_PING_INTERVAL_S = env.int("OCPP_PING_INTERVAL_S", default=30)
OCPP_PONG_TIMEOUT_S = env.int("OCPP_PONG_TIMEOUT_S", default=20)
OCPP_CALL_TIMEOUT_S = env.int("OCPP_CALL_TIMEOUT_S", default=30)
OCPP_MAX_MESSAGE_BYTES = env.int("OCPP_MAX_MESSAGE_BYTES", default=1024 * 1024)
OCPP_MESSAGE_RATE = env.float("OCPP_MESSAGE_RATE", default=100.0)
OCPP_MESSAGE_BURST = env.int("OCPP_MESSAGE_BURST", default=400)
OCPP_HANDSHAKE_TIMEOUT_S = env.int("OCPP_HANDSHAKE_TIMEOUT_S", default=10)
# True: complete the handshake without a subprotocol and close at once, as OCPP-J 1.6 §3.2 words it.
OCPP_ACCEPT_THEN_CLOSE = env.bool("OCPP_ACCEPT_THEN_CLOSE", default=False)
OCPP_MAX_CONNECTORS = env.int("OCPP_MAX_CONNECTORS", default=100)
# Between phase and neutral: by it limits in A and in W are compared.
CHARGING_LINE_VOLTAGE = env.int("CHARGING_LINE_VOLTAGE", default=230)
OCPP_WRITER_QUEUE = env.int("OCPP_WRITER_QUEUE", default=5000)
OCPP_WRITER_BATCH = env.int("OCPP_WRITER_BATCH", default=300)
OCPP_WRITER_HOLD_S = env.int("OCPP_WRITER_HOLD_S", default=20)
OCPP_PUT_ASIDE_AFTER_S = env.int("OCPP_PUT_ASIDE_AFTER_S", default=900)
OCPP_NODE_LEASE_S = env.int("OCPP_NODE_LEASE_S", default=15)
# Seconds for which the gateway remembers tenants, sites and tariffs: so long a change of theirs may take.
SHARED_ROWS_S = env.float("SHARED_ROWS_S", default=0.0 if TESTING else 1.0)
OCPP_STORE_MESSAGES = env.bool("OCPP_STORE_MESSAGES", default=True)
OCPP_CHECK_RESPONSES = env.bool("OCPP_CHECK_RESPONSES", default=TESTING or DEBUG)
OCPP_PERMESSAGE_DEFLATE = env.bool("OCPP_PERMESSAGE_DEFLATE", default=True)

# ---------------------------------------------------------------- certificates
# Who signs the chargers' certificates: the class of a `chargepoints.certificate_providers.CertificateProvider`.
CERTIFICATE_PROVIDER: str = env.str(
    "CERTIFICATE_PROVIDER", default="chargepoints.services.builtin_provider.BuiltinProvider"
)
# Who keeps contract certificates (Plug & Charge): the class of a `chargepoints.plug_and_charge.PlugAndChargeProvider`.
PLUG_AND_CHARGE_PROVIDER: str = env.str(
    "PLUG_AND_CHARGE_PROVIDER", default="chargepoints.plug_and_charge.NoProvider"
)
# Hosts, with or without a port, that the built-in Plug & Charge provider may ask for the status of certificates.
OCSP_RESPONDERS: list[str] = env.list("OCSP_RESPONDERS", default=[])
# False: RSA authorities sign with PKCS#1 v1.5, for chargers that cannot check RSA-PSS.
PKI_RSA_PSS = env.bool("PKI_RSA_PSS", default=True)
PKI_CRL_DAYS = env.int("PKI_CRL_DAYS", default=7)
PKI_REQUESTS_PER_HOUR = env.int("PKI_REQUESTS_PER_HOUR", default=6)

# ---------------------------------------------------------------- payments
# Who takes payments on the web: the class of a `transactions.payment_providers.PaymentProvider`.
PAYMENT_PROVIDER: str = env.str("PAYMENT_PROVIDER", default="transactions.payment_providers.NoProvider")
# What is authorized on a card where the driver named no limit of cost, in the currency of the tariff.
PAYMENT_AUTHORIZATION_AMOUNT = env.int("PAYMENT_AUTHORIZATION_AMOUNT", default=50)
# For so long a charger keeps its EVSE free for somebody at the payment page.
PAYMENT_PAGE_S = env.int("PAYMENT_PAGE_S", default=300)
# Who knows VAT numbers: the class of a `transactions.vat_numbers.VatNumberProvider`.
VAT_NUMBER_PROVIDER: str = env.str("VAT_NUMBER_PROVIDER", default="transactions.vat_numbers.FormOnly")

# ---------------------------------------------------------------- TLS of the gateway
# Files in PEM; the options --tls-… of `gateway` and `up` go before them. A key for each certificate, in the same order.
TLS_CERT: list[str] = env.list("TLS_CERT", default=[])
TLS_KEY: list[str] = env.list("TLS_KEY", default=[])
TLS_CLIENT_CA: list[str] = env.list("TLS_CLIENT_CA", default=[])
# The authorities that are kept in the database are believed as well.
TLS_BUILTIN_CA = env.bool("TLS_BUILTIN_CA", default=True)
TLS_CRL: list[str] = env.list("TLS_CRL", default=[])
TLS_ALLOW_PLAIN = env.bool("TLS_ALLOW_PLAIN", default=False)
TLS_EXTRA_CIPHERS: list[str] = env.list("TLS_EXTRA_CIPHERS", default=[])
# Whose client certificates are believed besides those of the charger's own operator.
TLS_CLIENT_ORGANISATIONS: list[str] = env.list("TLS_CLIENT_ORGANISATIONS", default=[])
# Headers in which a proxy of TRUSTED_PROXIES hands on the client certificate, and whether it has verified it.
TLS_CLIENT_CERT_HEADER: str = env.str("TLS_CLIENT_CERT_HEADER", default="")
TLS_CLIENT_VERIFY_HEADER: str = env.str("TLS_CLIENT_VERIFY_HEADER", default="")
# True: a charger of profile 1 may come with TLS, though the whitepaper refuses every other profile (A00.FR.002).
OCPP_ACCEPT_HIGHER_PROFILE = env.bool("OCPP_ACCEPT_HIGHER_PROFILE", default=False)

# ---------------------------------------------------------------- firmware, diagnostics, logs
# Shared by all web processes.
FILES_DIR = Path(env.str("FILES_DIR", default=str(DATA_DIR / "files")))
FIRMWARE_MAX_BYTES = env.int("FIRMWARE_MAX_BYTES", default=512 * 1024 * 1024)
UPLOAD_MAX_BYTES = env.int("UPLOAD_MAX_BYTES", default=100 * 1024 * 1024)
FILE_LINK_HOURS = env.int("FILE_LINK_HOURS", default=24)
FIRMWARE_PROGRESS_TIMEOUT_S = env.int("FIRMWARE_PROGRESS_TIMEOUT_S", default=4 * 3600)

# ---------------------------------------------------------------- retention (days; 0 keeps for ever)
RETENTION_MESSAGES_DAYS = env.int("RETENTION_MESSAGES_DAYS", default=90)
RETENTION_METER_VALUES_DAYS = env.int("RETENTION_METER_VALUES_DAYS", default=730)
RETENTION_STATUS_EVENTS_DAYS = env.int("RETENTION_STATUS_EVENTS_DAYS", default=365)
RETENTION_VARIABLE_CHANGES_DAYS = env.int("RETENTION_VARIABLE_CHANGES_DAYS", default=730)
RETENTION_SECURITY_EVENTS_DAYS = env.int("RETENTION_SECURITY_EVENTS_DAYS", default=730)
RETENTION_CHARGER_EVENTS_DAYS = env.int("RETENTION_CHARGER_EVENTS_DAYS", default=365)
RETENTION_STREAM_VALUES_DAYS = env.int("RETENTION_STREAM_VALUES_DAYS", default=30)
RETENTION_CUSTOMER_INFORMATION_DAYS = env.int("RETENTION_CUSTOMER_INFORMATION_DAYS", default=30)
RETENTION_EVENTS_DAYS = env.int("RETENTION_EVENTS_DAYS", default=90)
RETENTION_UPLOADS_DAYS = env.int("RETENTION_UPLOADS_DAYS", default=90)
RETENTION_REFUSED_DAYS = env.int("RETENTION_REFUSED_DAYS", default=30)

# ---------------------------------------------------------------- logs
# auto: readable lines in a terminal, JSON otherwise.
LOG_LEVEL: str = env.str("LOG_LEVEL", default="INFO").upper()
LOG_FORMAT: str = env.str("LOG_FORMAT", default="auto")
if LOG_FORMAT not in {"auto", "console", "json"}:
    raise ImproperlyConfigured("LOG_FORMAT must be auto, console or json.")
if LOG_LEVEL not in logging.getLevelNamesMapping():
    raise ImproperlyConfigured("LOG_LEVEL must be DEBUG, INFO, WARNING, ERROR or CRITICAL.")
LOGGING = logs.configure(level=LOG_LEVEL, style=LOG_FORMAT)
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG
# It would believe X-Forwarded-For from anybody; `csms_project.apps` binds the address instead.
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
