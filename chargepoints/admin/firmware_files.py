"""Firmware files."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import display
from django.db.transaction import atomic
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import path
from django.utils.html import format_html

from accounts.admin_base import (
    TenantModelAdmin,
    actor_of,
    allowed,
    changed_values,
    register,
    require,
    take_over,
)
from chargepoints.admin.firmware_forms import FirmwareFileForm
from chargepoints.admin.firmware_shared import FIRMWARE_ERRORS, signature_chip, size_text
from chargepoints.models import FirmwareFile
from chargepoints.services import firmware_files
from csms_project.common import file_store
from csms_project.common.file_responses import file_response


@register(FirmwareFile)
class FirmwareFileAdmin(TenantModelAdmin):
    permission_area = "firmware"
    domain_errors = FIRMWARE_ERRORS
    form = FirmwareFileForm
    change_form_template = "admin/chargepoints/firmwarefile/page.html"
    list_display = ("name", "version", "device", "source", "content_size", "signature_column", "created_at")
    list_filter = ("signature_state",)
    search_fields = ("name", "vendor", "model", "version")
    fieldsets = (
        (None, {"fields": ("name", "content", "url")}),
        ("For which chargers", {"fields": (("vendor", "model"), "version", "note")}),
        ("Signature", {"fields": ("signing_certificate", "signature")}),
    )
    _view_fieldsets = (
        (None, {"fields": ("name", "url")}),
        ("For which chargers", {"fields": (("vendor", "model"), "version", "note")}),
        ("Signature", {"fields": ("signing_certificate", "signature")}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is not None and not self.has_change_permission(request, obj):
            return self._view_fieldsets
        return self.fieldsets

    @display(description="For")
    def device(self, obj: FirmwareFile) -> str:
        return " ".join(filter(None, (obj.vendor, obj.model))) or "any charger"

    @display(description="Where")
    def source(self, obj: FirmwareFile) -> str:
        if obj.url:
            return format_html('<span class="cs-break">{}</span>', obj.url)
        return "here" if obj.stored_as else "no content yet"

    @display(description="Size", ordering="size")
    def content_size(self, obj: FirmwareFile) -> str:
        return size_text(obj.size)

    @display(description="Signature", ordering="signature_state")
    def signature_column(self, obj: FirmwareFile) -> str:
        return signature_chip(obj)

    def write(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> None:
        actor, given = actor_of(request), changed_values(form)
        content = given.pop("content", None)
        with atomic():
            if change:
                stored = FirmwareFile.objects.get(pk=obj.pk)
                file = firmware_files.update_file(actor=actor, file=stored, **given)
            else:
                file = firmware_files.create_file(actor=actor, tenant=obj.tenant, **given)
            if content:
                file = firmware_files.set_content(
                    actor=actor, file=file, pieces=content.chunks(), file_name=content.name
                )
        take_over(obj, file)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        firmware_files.delete_file(actor=actor_of(request), file=obj)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.content_view)
        return [
            path("<int:pk>/content/", view, name="chargepoints_firmwarefile_content"),
            *super().get_urls(),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        obj = context.get("original")
        if obj is not None:
            context |= {
                "file": obj,
                "size": size_text(obj.size),
                "signature_chip": signature_chip(obj),
                "may_use": allowed(request, "firmware.change", obj) and obj.is_ready,
                "campaign_rows": obj.campaigns.order_by("-id")[:10],
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def content_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """The file itself, to save."""
        obj = self.find_or_404(request, str(pk))
        require(request, "firmware.change", obj)
        if not obj.stored_as:
            raise Http404("There is no file.")
        try:
            location = file_store.path_of(firmware_files.FOLDER, obj.stored_as)
            return file_response(request, location, name=obj.file_name, etag=obj.sha256)
        except FileNotFoundError:
            raise Http404("The file is missing.") from None
