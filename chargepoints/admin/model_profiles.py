"""Model profiles: the list, the editor, what comes built in, and files of them."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib.admin import display
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from unfold import widgets

from accounts.admin_base import TenantForm, TenantModelAdmin, actor_of, allowed, register, require, take_over
from chargepoints.admin.shared import ERRORS
from chargepoints.model_profiles import ModelProfile, built_in_profiles
from chargepoints.models import ChargePoint, ChargePointModelProfile
from chargepoints.services import model_profiles
from csms_project.common.admin import chip

MAX_FILE = 1_000_000


class PairsField(forms.CharField):
    """Names and texts, one pair in each line: `name = text`."""

    widget = widgets.UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        return (
            "\n".join(f"{name} = {text}" for name, text in value.items())
            if isinstance(value, dict)
            else value
        )

    def to_python(self, value: Any) -> Any:
        pairs: dict[str, str] = {}
        for number, line in enumerate((value or "").splitlines(), start=1):
            if not line.strip():
                continue
            name, sign, text = line.partition("=")
            if not sign or not name.strip():
                raise forms.ValidationError(f"Line {number}: write name = text.")
            pairs[name.strip()] = text.strip()
        return pairs

    def has_changed(self, initial: Any, data: Any) -> bool:
        return _lines(self.prepare_value(initial or {})) != _lines(data or "")


class NumbersField(forms.CharField):
    """Numbers, with spaces or commas between them."""

    widget = widgets.UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> Any:
        return " ".join(str(number) for number in value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        try:
            parts = (value or "").replace(",", " ").split()
            return [float(part) if "." in part else int(part) for part in parts]
        except ValueError as error:
            raise forms.ValidationError("Write numbers with spaces between them.") from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        return str(self.prepare_value(initial or [])).split() != str(data or "").replace(",", " ").split()


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


class ProfileForm(TenantForm):
    boot_configuration = PairsField(
        label="Configuration",
        required=False,
        help_text="Keys and the values that a charger of this model should have, one in each line: "
        "MeterValueSampleInterval = 60",
    )
    error_texts = PairsField(
        label="Meaning of error codes",
        required=False,
        help_text="The vendor's error code, or his text, and what it means, one in each line: "
        "E17 = The cable is locked.",
    )
    ignored_registers = NumbersField(
        label="Placeholders",
        required=False,
        help_text="Numbers that this model sends instead of a register, as sent, such as -1 or 4294967295.",
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not any(cleaned.get(name) for name in ("vendor", "model", "firmware")):
            self.add_error("model", "Say which chargers it is for: vendor, model or firmware.")
        return cleaned


class FileForm(forms.Form):
    file = forms.FileField(label="File", help_text="JSON, as the export makes it.")

    def clean_file(self) -> Any:
        given = self.cleaned_data["file"]
        if given.size > MAX_FILE:
            raise forms.ValidationError("The file is too large.")
        try:
            return json.loads(given.read())
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError("This is no JSON file.") from error


@register(ChargePointModelProfile)
class ModelProfileAdmin(TenantModelAdmin):
    permission_area = "model_profiles"
    domain_errors = ERRORS
    form = ProfileForm
    list_display = ("name", "patterns", "effects", "chargers", "state")
    list_filter = ("is_active",)
    search_fields = ("name", "vendor", "model")
    list_before_template = "admin/chargepoints/modelprofile/list_tools.html"
    readonly_fields = ("shown_configuration", "shown_errors", "shown_placeholders")
    _meter = ("register_unit", "start_stop_unit", "register_factor", "export_as_import")
    fieldsets = (
        (None, {"fields": ("name", "vendor", "model", "firmware", "is_active")}),
        ("Messages", {"fields": ("strict_schema", "record_repairs", "accepted_vendor_ids")}),
        (
            "Energy registers",
            {
                "fields": (*_meter, "ignored_registers"),
                "description": "They hold for sessions that begin from now on, and are written into their ledgers.",
            },
        ),
        ("Settings of the charger", {"fields": ("boot_configuration", "rate_unit")}),
        ("Errors and notes", {"fields": ("error_texts", "note", "reference")}),
    )
    _view_fieldsets = (
        *fieldsets[:2],
        ("Energy registers", {"fields": (*_meter, "shown_placeholders")}),
        ("Settings of the charger", {"fields": ("shown_configuration", "rate_unit")}),
        ("Errors and notes", {"fields": ("shown_errors", "note", "reference")}),
    )

    # ------------------------------------------------------------ list

    def get_queryset(self, request: HttpRequest) -> QuerySet[ChargePointModelProfile]:
        rows: QuerySet[ChargePointModelProfile] = super().get_queryset(request)
        return rows.annotate(charge_point_count=Count("charge_points"))

    @display(description="For chargers")
    def patterns(self, obj: ChargePointModelProfile) -> str:
        return patterns_of(obj.as_profile())

    @display(description="What it does")
    def effects(self, obj: ChargePointModelProfile) -> str:
        return format_html_join(" ", "{}", ((chip(text),) for text in effects_of(obj.as_profile()))) or "–"

    @display(description="Charge points", ordering="charge_point_count")
    def chargers(self, obj: Any) -> str:
        return str(obj.charge_point_count)

    @display(description="State", ordering="is_active")
    def state(self, obj: ChargePointModelProfile) -> str:
        return chip("In use", "ok") if obj.is_active else chip("Not in use", "neutral")

    # ------------------------------------------------------------ form

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is not None and not self.has_change_permission(request, obj):
            return self._view_fieldsets
        return self.fieldsets

    @display(description="Configuration")
    def shown_configuration(self, obj: ChargePointModelProfile) -> str:
        return _shown_pairs(obj.boot_configuration)

    @display(description="Meaning of error codes")
    def shown_errors(self, obj: ChargePointModelProfile) -> str:
        return _shown_pairs(obj.error_texts)

    @display(description="Placeholders")
    def shown_placeholders(self, obj: ChargePointModelProfile) -> str:
        return ", ".join(str(number) for number in obj.ignored_registers) or "–"

    def write(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> None:
        actor = actor_of(request)
        if change:
            stored = ChargePointModelProfile.objects.get(pk=obj.pk)
            changes = {name: form.cleaned_data[name] for name in form.changed_data}
            model_profiles.update_profile(actor=actor, profile=stored, **changes)
            return
        values = {name: form.cleaned_data[name] for name in form.fields}
        take_over(obj, model_profiles.create_profile(actor=actor, tenant=obj.tenant, **values))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        model_profiles.delete_profile(actor=actor_of(request), profile=obj)

    # ------------------------------------------------------------ built in, files

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        name = "chargepoints_chargepointmodelprofile"
        return [
            path("built-in/", wrap(self.built_in_view), name=f"{name}_built_in"),
            path("import/", wrap(self.import_view), name=f"{name}_import"),
            path("export/", wrap(self.export_view), name=f"{name}_export"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        may_change = self.may(request, "change")
        return super().changelist_view(request, {**(extra_context or {}), "may_change": may_change})

    def built_in_view(self, request: HttpRequest) -> HttpResponse:
        """The profiles that come with the product; a POST makes a copy of one to be changed."""
        require(request, "model_profiles.view")
        if request.method == "POST":
            return self._copy(request, request.POST.get("key", ""))
        tenant = actor_of(request).tenant
        stations = ChargePoint.objects.for_tenant(tenant).exclude(built_in_profile="").order_by()
        counts = dict(stations.values_list("built_in_profile").annotate(count=Count("pk")))
        context = {
            "title": "Built-in model profiles",
            "profiles": [
                {
                    "profile": profile,
                    "patterns": patterns_of(profile),
                    "effects": effects_of(profile),
                    "count": counts.get(profile.key, 0),
                }
                for profile in built_in_profiles()
            ],
            "may_copy": tenant is not None and allowed(request, "model_profiles.change"),
        }
        return self.page(request, "admin/chargepoints/modelprofile/built_in.html", context)

    def _copy(self, request: HttpRequest, key: str) -> HttpResponse:
        require(request, "model_profiles.change")
        actor = actor_of(request)
        if actor.tenant is None:
            return self.choose_tenant(request)
        if not any(profile.key == key for profile in built_in_profiles()):
            raise Http404("There is no such profile.")
        tenant, made = actor.tenant, []
        done = self.attempt(
            request,
            lambda: made.append(model_profiles.copy_built_in(actor=actor, tenant=tenant, key=key)),
            "Copied. Chargers that it fits follow your copy from now on.",
        )
        page = "change" if done else "built_in"
        return HttpResponseRedirect(
            reverse(
                f"admin:chargepoints_chargepointmodelprofile_{page}", args=[row.pk for row in made if done]
            )
        )

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Take profiles over from a file, all or none."""
        require(request, "model_profiles.change")
        actor = actor_of(request)
        if actor.tenant is None:
            return self.choose_tenant(request)
        tenant = actor.tenant
        form = FileForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            try:
                done = model_profiles.import_profiles(
                    actor=actor, tenant=tenant, document=form.cleaned_data["file"]
                )
            except self.domain_errors as error:
                form.add_error("file", str(error))
            else:
                self.message_user(request, f"{done.created} profiles made, {done.updated} changed.")
                return HttpResponseRedirect(_list_url())
        context = {
            "title": "Import model profiles",
            "lead": "A profile of the same name is replaced. If one entry is wrong, nothing is taken over.",
            "form": form,
            "submit": "Import",
            "is_upload": True,
            "back_url": _list_url(),
        }
        return self.page(request, "admin/form_page.html", context)

    def export_view(self, request: HttpRequest) -> HttpResponse:
        """The profiles of the list's filters as a file."""
        require(request, "model_profiles.view")
        rows = self.get_changelist_instance(request).queryset
        return JsonResponse(
            model_profiles.export_profiles(rows),
            json_dumps_params={"indent": 2, "ensure_ascii": False},
            headers={"Content-Disposition": 'attachment; filename="model-profiles.json"'},
        )


def patterns_of(profile: ModelProfile) -> str:
    """Which chargers a profile is for, in words."""
    parts = (("vendor", profile.vendor), ("model", profile.model), ("firmware", profile.firmware))
    return ", ".join(f"{name} {pattern}" for name, pattern in parts if pattern)


def effects_of(profile: ModelProfile) -> list[str]:
    """What a profile does, in words."""
    effects = {
        "strict schema": profile.strict_schema is True,
        "lenient schema": profile.strict_schema is False,
        "repairs not kept": not profile.record_repairs,
        "vendor messages accepted": bool(profile.accepted_vendor_ids),
        f"registers in {profile.register_unit}": bool(profile.register_unit),
        f"start and stop in {profile.start_stop_unit}": bool(profile.start_stop_unit),
        f"registers × {profile.register_factor.normalize():f}": profile.register_factor != 1,
        "export as import": profile.export_as_import,
        "placeholders ignored": bool(profile.ignored_registers),
        f"{len(profile.boot_configuration)} settings": bool(profile.boot_configuration),
        f"profiles in {profile.rate_unit}": bool(profile.rate_unit),
        f"{len(profile.error_texts)} error texts": bool(profile.error_texts),
        "note": bool(profile.note),
    }
    return [text for text, applies in effects.items() if applies]


def _shown_pairs(pairs: dict[str, str]) -> str:
    return (
        format_html(
            '<pre class="cs-code">{}</pre>', "\n".join(f"{name} = {text}" for name, text in pairs.items())
        )
        if pairs
        else "–"
    )


def _list_url() -> str:
    return reverse("admin:chargepoints_chargepointmodelprofile_changelist")
