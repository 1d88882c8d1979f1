"""Templates of configurations: the list, the editor, files, and one made from a charger."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import display
from django.db.models import Count, QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import path, reverse
from django.utils.html import format_html
from unfold import widgets

from accounts.admin_base import (
    TenantModelAdmin,
    TenantTabularInline,
    actor_of,
    changed_values,
    register,
    require,
    take_over,
)
from chargepoints.admin.configuration_drift import apply_view, drift_view
from chargepoints.admin.shared import ERRORS
from chargepoints.configuration_keys import KEYS, refusal_in_template
from chargepoints.models import ChargePoint, ConfigurationEntry, ConfigurationTemplate
from chargepoints.services import drift, templates
from csms_project.common.admin import chip

_AREA = "configuration_templates"
_MAX_FILE = 500_000
_KEPT = "Stored; type another value to change it"


class EntryForm(forms.ModelForm):  # type: ignore[type-arg]
    """A key and its value; a stored secret is never shown, and stays where nothing is typed."""

    class Meta:
        model = ConfigurationEntry
        fields = ("key", "value", "is_secret")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "key" in self.fields:
            self.fields["key"].widget.attrs |= {"list": "configuration-keys", "autocomplete": "off"}
        if "value" in self.fields and self.instance.is_secret:
            self.fields["value"].widget.attrs |= {"placeholder": _KEPT, "autocomplete": "off"}

    def clean_key(self) -> str:
        key: str = self.cleaned_data["key"]
        problem = refusal_in_template(key)
        if problem:
            raise forms.ValidationError(problem)
        return key

    def given(self) -> templates.Given:
        """What the service takes."""
        value = self.cleaned_data["value"]
        keeps = bool(self.instance.pk) and self.instance.is_secret and value == ""
        return templates.Given(
            key=self.cleaned_data["key"],
            value=None if keeps else value,
            is_secret=self.cleaned_data["is_secret"],
        )


class EntryFormSet(BaseInlineFormSet):  # type: ignore[type-arg]
    """No key twice, in whatever spelling."""

    def clean(self) -> None:
        super().clean()
        seen: set[str] = set()
        for form in self.kept():
            key = form.cleaned_data["key"].casefold()
            if key in seen:
                form.add_error("key", "This key is in the template already.")
            seen.add(key)

    def kept(self) -> list[Any]:
        """The rows that the template shall have."""
        return [
            form
            for form in self.forms
            if getattr(form, "cleaned_data", {}).get("key") and not form.cleaned_data.get("DELETE")
        ]


class EntryInline(TenantTabularInline):
    model = ConfigurationEntry
    form = EntryForm
    formset = EntryFormSet
    permission_area = _AREA
    fields = ("key", "value", "is_secret")
    extra = 3
    hide_title = True
    max_num = templates.MAX_ENTRIES

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        return self.extra


@register(ConfigurationTemplate)
class ConfigurationTemplateAdmin(TenantModelAdmin):
    permission_area = _AREA
    domain_errors = ERRORS
    change_form_template = "admin/chargepoints/configuration/template.html"
    list_before_template = "admin/chargepoints/configuration/template_tools.html"
    list_display = ("name", "state", "applies_to", "values", "at_boot", "priority", "updated_at")
    list_filter = ("is_active", "apply_at_boot")
    list_select_related = ("location",)
    search_fields = ("name", "note", "entries__key")
    search_help_text = "Name, note or key"
    autocomplete_fields = ("location",)
    inlines = (EntryInline,)
    fieldsets = (
        (None, {"fields": ("name", "note", ("is_active", "apply_at_boot"))}),
        (
            "Which chargers",
            {
                "fields": (("vendor", "model"), ("firmware", "location"), "priority"),
                "description": "All that is filled in must fit. Nothing filled in: every charger.",
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ConfigurationTemplate]:
        rows: QuerySet[ConfigurationTemplate] = super().get_queryset(request)
        return rows.annotate(entry_count=Count("entries", distinct=True))

    @display(description="State", ordering="is_active")
    def state(self, obj: ConfigurationTemplate) -> str:
        return chip("In use", "ok") if obj.is_active else chip("Not in use", "neutral")

    @display(description="For")
    def applies_to(self, obj: ConfigurationTemplate) -> str:
        return words_of(obj)

    @display(description="Values", ordering="entry_count")
    def values(self, obj: Any) -> str:
        return str(obj.entry_count)

    @display(description="At boot", ordering="apply_at_boot")
    def at_boot(self, obj: ConfigurationTemplate) -> str:
        return chip("sent after each boot", "info") if obj.apply_at_boot else "–"

    # ------------------------------------------------------------ writes

    def write(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> None:
        actor = actor_of(request)
        if change:
            stored = ConfigurationTemplate.objects.get(pk=obj.pk)
            templates.update_template(actor=actor, template=stored, **changed_values(form))
        else:
            made = templates.create_template(actor=actor, tenant=obj.tenant, **form.cleaned_data)
            take_over(obj, made)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        given = [row.given() for row in formset.kept()]
        template = ConfigurationTemplate.objects.get(pk=form.instance.pk)
        templates.update_template(actor=actor_of(request), template=template, entries=given)
        formset.new_objects, formset.changed_objects, formset.deleted_objects = [], [], []
        for text in templates.doubts(template):
            messages.warning(request, text)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        templates.delete_template(actor=actor_of(request), template=obj)

    # ------------------------------------------------------------ pages

    def get_urls(self) -> list[Any]:
        wrap, name = self.admin_site.admin_view, "chargepoints_configurationtemplate"
        return [
            path("drift/", wrap(partial(drift_view, self)), name=f"{name}_drift"),
            path("drift/apply/", wrap(partial(apply_view, self)), name=f"{name}_apply"),
            path("import/", wrap(self.import_view), name=f"{name}_import"),
            path("from/<int:pk>/", wrap(self.from_view), name=f"{name}_from"),
            path("<int:pk>/export/", wrap(self.export_view), name=f"{name}_export"),
            *super().get_urls(),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        obj = context.get("original")
        context |= {"standard_keys": [spec for spec in KEYS if spec.access != "R"]}
        if obj is not None:
            scope = drift.Scope(tenant=obj.tenant, template_id=obj.pk)
            context |= {"template": obj, "drift": drift.report(scope) if obj.is_active else None}
        return super().render_change_form(request, context, *args, **kwargs)

    def export_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The template as a JSON file, without secrets."""
        obj = self.find_or_404(request, str(pk))
        response = JsonResponse(
            templates.to_document(obj), json_dumps_params={"indent": 2, "ensure_ascii": False}
        )
        response["Content-Disposition"] = f'attachment; filename="configuration-template-{obj.pk}.json"'
        return response

    def import_view(self, request: HttpRequest) -> HttpResponseBase:
        """A template from a JSON file."""
        require(request, templates.CHANGE)
        tenant = actor_of(request).tenant
        if tenant is None:
            return self.choose_tenant(request)
        form = ImportForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            try:
                made = templates.import_document(
                    actor=actor_of(request), tenant=tenant, document=form.cleaned_data["file"]
                )
            except self.domain_errors as error:
                form.add_error("file", str(error))
            else:
                for text in made.left_out:
                    messages.warning(request, text)
                return HttpResponseRedirect(_page(made.template))
        context = {
            "title": "Import a template",
            "lead": "A file that Export has made, here or elsewhere. The template is not in use until you say so.",
            "form": form,
            "submit": "Import",
            "is_upload": True,
            "back_url": reverse("admin:chargepoints_configurationtemplate_changelist"),
        }
        return self.page(request, "admin/form_page.html", context)

    def from_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """A template with what a charger has now, after the keys were chosen."""
        require(request, templates.CHANGE)
        charge_point = ChargePoint.objects.for_tenant(actor_of(request).tenant).filter(pk=pk).first()
        if charge_point is None:
            raise Http404("There is no such charge point.")
        entries = templates.entries_of(charge_point)
        form = FromForm(charge_point, entries, request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                made = templates.create_template(
                    actor=actor_of(request), tenant=charge_point.tenant, **form.values()
                )
            except self.domain_errors as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, f"“{made}” was made. It is not in use yet: check it first.")
                return HttpResponseRedirect(_page(made))
        context = {
            "title": f"A template from {charge_point}",
            "lead": "Choose the keys that others should have too. Read-only keys and secrets are not offered."
            if entries
            else "The charger has told no key that could be in a template. Read its configuration first.",
            "form": form if entries else None,
            "submit": "Make the template",
            "back_url": reverse("admin:chargepoints_chargepoint_change", args=[pk]) + "?tab=configuration",
        }
        return self.page(request, "admin/chargepoints/configuration/from.html", context)


class ImportForm(forms.Form):
    """A file; cleaned into its document."""

    file = forms.FileField(label="JSON file", widget=widgets.UnfoldAdminFileFieldWidget)

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > _MAX_FILE:
            raise forms.ValidationError("The file is too large for a template.")
        try:
            return json.loads(file.read().decode("utf-8-sig"))
        except (UnicodeDecodeError, ValueError, RecursionError) as error:
            raise forms.ValidationError("The file is no JSON.") from error


class FromForm(forms.Form):
    """Which keys of a charger go into a template, and for which chargers it is."""

    def __init__(self, charge_point: ChargePoint, entries: list[templates.Given], data: Any = None) -> None:
        super().__init__(data)
        self._entries = entries
        self._charge_point = charge_point
        text, tick = widgets.UnfoldAdminTextInputWidget, widgets.UnfoldBooleanWidget
        model = f" {charge_point.model}" if charge_point.model else ""
        self.fields["name"] = forms.CharField(
            label="Name", max_length=100, widget=text, initial=f"As {charge_point}{model}"[:100]
        )
        self.fields["same_model"] = forms.BooleanField(
            label=f"For chargers of the model {charge_point.vendor}{model}".rstrip(),
            required=False,
            initial=True,
            widget=tick,
            disabled=not charge_point.model,
        )
        self.fields["keys"] = forms.MultipleChoiceField(
            label="Keys",
            choices=[(entry.key, f"{entry.key} = {entry.value or '(empty)'}") for entry in entries],
            initial=[],
            widget=widgets.UnfoldAdminCheckboxSelectMultipleWidget,
            error_messages={"required": "Choose at least one key."},
        )

    def values(self) -> dict[str, Any]:
        """What the service takes."""
        chosen = {*self.cleaned_data["keys"]}
        narrow = self.cleaned_data["same_model"] and self._charge_point.model
        return {
            "name": self.cleaned_data["name"],
            "vendor": self._charge_point.vendor if narrow else "",
            "model": self._charge_point.model if narrow else "",
            "is_active": False,
            "entries": [entry for entry in self._entries if entry.key in chosen],
        }


def words_of(template: ConfigurationTemplate) -> str:
    """For which chargers a template is."""
    parts = [
        f"{name} {text}"
        for name, text in (
            ("vendor", template.vendor),
            ("model", template.model),
            ("firmware", template.firmware),
            ("site", template.location.name if template.location is not None else ""),
        )
        if text
    ]
    return format_html("{}", ", ".join(parts)) if parts else "every charger"


def _page(template: ConfigurationTemplate) -> str:
    return reverse("admin:chargepoints_configurationtemplate_change", args=[template.pk])
