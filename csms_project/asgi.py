"""The ASGI application with everything: chargers on /ocpp/, the rest is Django's."""

from __future__ import annotations

import os
import warnings
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "csms_project.settings")

from django.core.asgi import get_asgi_application

django_application: Any = get_asgi_application()

from csms_project.asgi_parts import make_application, with_uploads  # noqa: E402 - needs the applications loaded
from csms_project.gateway import charger_application  # noqa: E402 - needs the applications loaded

# Static files are small and read by a thread pool; Django warns at each of them under ASGI.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")

application = make_application(http=with_uploads(django_application), chargers=charger_application)
