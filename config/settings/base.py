"""What every start of the project shares. The apps' own defaults stay in their ``conf.py``; here is what differs."""

from typing import Any
from urllib.parse import urlsplit

from corsheaders.defaults import default_headers

from config import caches, databases, env, keys, mail, storage
from config.env import BASE_DIR
from gatehouse.logs import logging_config

ENV = env.current()
VAR_DIR = env.var_dir(ENV)
KEYS = keys.rings(ENV)
PRODUCTION = ENV.text("ENVIRONMENT") == "production"

# -- Where it is reached ------------------------------------------------------------------------------------------
BASE_URL = (ENV.text("BASE_URL") or f"http://127.0.0.1:{ENV.number('PORT')}").rstrip("/")
FRONTEND_URL = ENV.text("FRONTEND_URL").rstrip("/")
HTTPS = BASE_URL.startswith("https://")
ALLOWED_HOSTS = [*ENV.names("ALLOWED_HOSTS")] or [urlsplit(BASE_URL).hostname or "localhost"]
SECURITY_CONTACT = ENV.text("SECURITY_CONTACT")

# -- Django -------------------------------------------------------------------------------------------------------
DEBUG = ENV.flag("DEBUG")
SECRET_KEY = next(iter(KEYS["SECRET_KEY"]), "")
SECRET_KEY_FALLBACKS = list(KEYS["SECRET_KEY"][1:])
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]  # a language is offered once its texts are there
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True


INSTALLED_APPS = [
    "config.apps.SiteConfig",
    "adminpanel.apps.AdminPanelConfig",
    "accounts.apps.AccountsConfig",
    "sessions_app.apps.SessionsAppConfig",
    "audit.apps.AuditConfig",
    "gatehouse.apps.GatehouseConfig",
    "axes",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "corsheaders",
    "anymail",
    "adminpanel.apps.StaffSiteConfig",  # django.contrib.admin with our site
    "django.forms",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "gatehouse.client.ClientMiddleware",
    "gatehouse.requests.RequestLogMiddleware",
    "gatehouse.problems.ProblemMiddleware",
    "gatehouse.requests.ApiPathMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "gatehouse.headers.SecurityHeadersMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "config.https.RefusePlainApiMiddleware",
    "gatehouse.bodies.BodyLimitMiddleware",
    "gatehouse.limits.LimitsMiddleware",
    "sessions_app.middleware.DoorSessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "sessions_app.middleware.PageSessionMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "accounts.middleware.TermsMiddleware",
]
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "accounts.pages.context.site",
            ],
        },
    }
]

# -- Data ---------------------------------------------------------------------------------------------------------
DATABASES = {"default": databases.database(ENV)}
CACHES = caches.caches(ENV.text("REDIS_URL"))
RATELIMIT_USE_CACHE = "limits"
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES: dict[str, Any] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "exports": storage.private(ENV.text("EXPORT_DIR") or VAR_DIR / "exports"),
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
MEDIA_ROOT = VAR_DIR / "media"

# -- Who somebody is ----------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.MatrixBackend"]
PASSWORD_HASHERS = [
    "accounts.hashers.Argon2id",
    "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",  # these verify older hashes, which are then upgraded
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "accounts.hashers.PlainBcrypt",
    "accounts.hashers.PasslibPBKDF2",
]
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "accounts:security"
LOGOUT_REDIRECT_URL = "accounts:login"

# -- Cookies and browsers -----------------------------------------------------------------------------------------
_HOST = "__Host-" if HTTPS else ""
SESSION_ENGINE = "sessions_app.store"
SESSION_COOKIE_NAME = f"{_HOST}session"
SESSION_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = f"{_HOST}csrf"
CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "gatehouse.problems.csrf_failure"
CSRF_TRUSTED_ORIGINS = [BASE_URL]
LANGUAGE_COOKIE_SECURE = HTTPS
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "object-src": ["'none'"],
    }
}
PERMISSIONS_POLICY: dict[str, list[str]] = {
    "camera": [],
    "microphone": [],
    "geolocation": [],
    "payment": [],
    "usb": [],
}
CORS_ALLOWED_ORIGINS = list(ENV.names("CORS_ORIGINS"))
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_HEADERS = [*default_headers, "x-auth-transport", "x-request-id"]
CORS_EXPOSE_HEADERS = ["X-Request-ID", "Retry-After", "RateLimit", "RateLimit-Policy"]

# -- The API ------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "sessions_app.authentication.BearerAuthentication",
        "sessions_app.authentication.PageSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "gatehouse.problems.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": ENV.text("SITE_NAME"),
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "MethodEnum": "accounts.models.challenge.Method",
        "UserStatusEnum": "accounts.models.user.Status",
        "ReauthenticationMethodEnum": [("totp", "totp"), ("recovery", "recovery")],
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# -- The lockout's records: accounts/lockout.py refuses by itself, axes only keeps what staff see -------------------
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
AXES_CLIENT_IP_CALLABLE = "accounts.lockout.axes_ip"
AXES_USERNAME_CALLABLE = "accounts.lockout.axes_username"
SILENCED_SYSTEM_CHECKS = [
    "admin.E408",  # sessions_app's PageSessionMiddleware says who somebody is
    "axes.W002",  # its middleware would answer instead of accounts/lockout.py
    "axes.W003",  # so would its backend
    "security.W002",  # gatehouse.headers writes X-Frame-Options
    "security.W021",  # whether a domain enters the browsers' preload list is its owner's decision
]

# -- The apps -----------------------------------------------------------------------------------------------------
GATEHOUSE: dict[str, Any] = {
    "BASE_URL": BASE_URL,
    "FRONTEND_URL": FRONTEND_URL,
    "PRODUCTION": PRODUCTION,
    "HASH_KEYS": KEYS["SECRET_KEY"],
    "MAIL_KEYS": KEYS["MAIL_KEY"],
    "ENCRYPTION_KEYS": KEYS["ENCRYPTION_KEY"],
    "HEALTH_CHECKS": {"mail": "accounts.outbox.check_health"},
    **ENV.overrides("GATEHOUSE"),
}
SESSIONS: dict[str, Any] = {
    "SIGNING_KEYS": KEYS["JWT_SECRET"],
    "CLAIMS": "accounts.claims.for_user",
    "OWNERS": "accounts.owners.find",
    "CACHE_URL": caches.session_cache(ENV),
    **ENV.overrides("SESSIONS"),
}
ACCOUNTS: dict[str, Any] = {
    "ACTIVITY": "audit.queries.events",
    "ERASERS": ("audit.privacy.erase",),
    **ENV.overrides("ACCOUNTS"),
}
AUDIT: dict[str, Any] = {
    "KEYS": KEYS["AUDIT_KEY"],
    "ACCESS": "accounts.trail.scope_of",
    "AUTHENTICATION": (
        "accounts.api.authentication.ServiceAuthentication",
        "sessions_app.authentication.BearerAuthentication",
        "sessions_app.authentication.StaffSessionAuthentication",
    ),
    "SOURCES": (
        "gatehouse.signals.security_event",
        "sessions_app.signals.security_event",
        "accounts.signals.security_event",
        "adminpanel.signals.security_event",
    ),
    **ENV.overrides("AUDIT"),
}

# -- Mail and logs ------------------------------------------------------------------------------------------------
MAIL = mail.mail(ENV, default="console:" if PRODUCTION else "dev:")
locals().update(MAIL)
LOGGING = logging_config(
    json=(ENV.text("LOG_FORMAT") or ("json" if PRODUCTION else "text")) == "json",
    level=ENV.text("LOG_LEVEL"),
    file=ENV.text("LOG_FILE"),
)
DEVELOPMENT_MAILBOX = ""  # the folder behind /dev/mail/; development names one
DEFAULT_FROM_EMAIL = SERVER_EMAIL = ENV.text("EMAIL_FROM")
