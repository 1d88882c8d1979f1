from typing import Any

import structlog
from django.apps import AppConfig
from django.http import HttpRequest


class ProjectConfig(AppConfig):
    name = "csms_project"
    label = "project"
    verbose_name = "Project"

    def ready(self) -> None:
        from django.utils.module_loading import autodiscover_modules
        from django_structlog.signals import bind_extra_request_metadata

        from csms_project import checks  # noqa: F401  they register themselves

        autodiscover_modules("jobs")
        bind_extra_request_metadata.connect(bind_address, dispatch_uid="bind_address")


def bind_address(sender: object, request: HttpRequest, **_: Any) -> None:
    """Log the peer's address; behind TRUSTED_PROXIES the server has put the client's there."""
    structlog.contextvars.bind_contextvars(ip=request.META.get("REMOTE_ADDR"))
