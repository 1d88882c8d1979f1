"""The ASGI application without chargers: admin, REST API, health, metrics."""

from __future__ import annotations

import warnings
from typing import Any

from django.core.asgi import get_asgi_application

from csms_project.asgi_parts import make_application, with_uploads

warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")

_django: Any = get_asgi_application()
application = make_application(http=with_uploads(_django), chargers=None)
