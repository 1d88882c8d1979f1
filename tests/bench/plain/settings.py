"""Settings of the plain design; the database comes from PLAIN_DATABASE_URL."""

from __future__ import annotations

import os

from csms_project.environment import Environment

SECRET_KEY = "of-a-measurement-only"
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["channels", "tests.bench.plain"]
DATABASES = {
    "default": {
        **Environment().db_url_config(os.environ.get("PLAIN_DATABASE_URL", "sqlite://:memory:")),
        "CONN_MAX_AGE": None,  # the default would connect anew for each message
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
