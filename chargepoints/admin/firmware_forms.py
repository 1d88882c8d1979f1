"""Forms of firmware files, campaigns, single updates and uploads."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from unfold import widgets

from accounts.admin_base import TenantForm
from accounts.models import Tenant
from chargepoints.choices import LogKind
from chargepoints.models import ChargePoint, FirmwareFile, Location
from chargepoints.services.firmware_campaigns import Choice, Plan


class FirmwareFileForm(TenantForm):
    content = forms.FileField(
        label="File",
        required=False,
        widget=widgets.UnfoldAdminFileFieldWidget,
        help_text="Stays here; chargers fetch it from us. Or give an address below.",
    )

    def clean_content(self) -> Any:
        content = self.cleaned_data.get("content")
        if content and content.size > settings.FIRMWARE_MAX_BYTES:
            limit = settings.FIRMWARE_MAX_BYTES // 1_000_000
            raise forms.ValidationError(f"The file is larger than {limit} MB (FIRMWARE_MAX_BYTES).")
        return content

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("content") and cleaned.get("url"):
            self.add_error("url", "Give a file or an address, not both.")
        return cleaned


def _whole(label: str, help_text: str = "", **kwargs: Any) -> forms.IntegerField:
    return forms.IntegerField(
        label=label, help_text=help_text, widget=widgets.UnfoldAdminIntegerFieldWidget, **kwargs
    )


def _moment(label: str, help_text: str) -> forms.SplitDateTimeField:
    return forms.SplitDateTimeField(
        label=label, help_text=help_text, required=False, widget=widgets.UnfoldAdminSplitDateTimeWidget
    )


def _clock(label: str, help_text: str = "") -> forms.TimeField:
    return forms.TimeField(
        label=label,
        help_text=help_text,
        required=False,
        widget=widgets.UnfoldAdminTextInputWidget(attrs={"type": "time"}),
    )


class _WithFile(forms.Form):
    """Chooses one of the tenant's files that are ready."""

    file = forms.ModelChoiceField(
        label="Firmware",
        queryset=FirmwareFile.objects.none(),
        widget=widgets.UnfoldAdminSelectWidget,
        empty_label="Choose",
    )

    def __init__(self, tenant: Tenant, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tenant = tenant
        ready = FirmwareFile.objects.for_tenant(tenant).exclude(stored_as="", url="")
        field: Any = self.fields["file"]
        field.queryset = ready
        field.label_from_instance = _file_label
        self.has_files = ready.exists()

    def add_problems(self, problems: dict[str, str]) -> None:
        """Show what the service found wrong."""
        for name, text in problems.items():
            self.add_error(name if name in self.fields else None, text)


def _file_label(file: FirmwareFile) -> str:
    device = " ".join(filter(None, (file.vendor, file.model)))
    return (
        f"{file.name} ({', '.join(filter(None, (file.version, device)))})"
        if file.version or device
        else file.name
    )


class CampaignForm(_WithFile):
    """Which chargers get which firmware, when and how."""

    name = forms.CharField(
        max_length=150,
        required=False,
        help_text="Empty: named after the file.",
        widget=widgets.UnfoldAdminTextInputWidget,
    )
    charge_points = forms.CharField(
        label="Charge points",
        required=False,
        help_text="Identities, one on each line. And, or instead, all that the following choose together.",
        widget=widgets.UnfoldAdminTextareaWidget(attrs={"rows": 4, "spellcheck": "false"}),
    )
    location = forms.ModelChoiceField(
        queryset=Location.objects.none(),
        required=False,
        widget=widgets.UnfoldAdminSelectWidget,
        empty_label="Any location",
    )
    vendor = forms.CharField(max_length=50, required=False, widget=widgets.UnfoldAdminTextInputWidget)
    model = forms.CharField(max_length=50, required=False, widget=widgets.UnfoldAdminTextInputWidget)
    starts_at = _moment("Not before", "Empty: now.")
    ends_at = _moment("Not after", "What has not begun by then is given up. Empty: it waits.")
    window_start = _clock("Between", "Time of the day at the charger's site. Empty: at any time.")
    window_end = _clock("and")
    batch_size = _whole("At the same time", "Chargers that update together.", initial=10, min_value=1)
    stop_failure_percent = _whole(
        "Pause when so many percent fail",
        "Judged when the first batch has ended. Empty: never.",
        initial=20,
        required=False,
        min_value=1,
        max_value=100,
    )
    only_idle = forms.BooleanField(
        label="Only where nobody charges", initial=True, required=False, widget=widgets.UnfoldBooleanWidget
    )
    attempts = _whole("Attempts for each charger", initial=1, min_value=1, max_value=10)
    download_retries = _whole(
        "Downloads that the charger repeats",
        "Empty: it decides.",
        required=False,
        min_value=0,
        max_value=100,
    )
    ignore_model = forms.BooleanField(
        label="Also for other vendors and models than the file names",
        required=False,
        widget=widgets.UnfoldBooleanWidget,
    )
    confirm = forms.BooleanField(
        label="Install this firmware? The chargers restart, and wrong firmware can make them useless.",
        widget=widgets.UnfoldBooleanWidget,
        error_messages={"required": "Tick the box to go on."},
    )

    def __init__(self, tenant: Tenant, *args: Any, **kwargs: Any) -> None:
        super().__init__(tenant, *args, **kwargs)
        field: Any = self.fields["location"]
        field.queryset = Location.objects.for_tenant(tenant)

    def clean_charge_points(self) -> list[ChargePoint]:
        wanted = [line.strip() for line in self.cleaned_data["charge_points"].splitlines() if line.strip()]
        keys = {identity.casefold(): identity for identity in wanted if identity.isprintable()}
        found = list(ChargePoint.objects.for_tenant(self.tenant).filter(identity_key__in=keys))
        missing = set(keys) - {row.identity_key for row in found}
        if missing or len(keys) < len(set(wanted)):
            names = ", ".join(sorted(keys[key] for key in missing)[:10]) or "an identity"
            raise forms.ValidationError(f"There is no such charge point: {names}.")
        return found

    def choice(self) -> Choice:
        given = self.cleaned_data
        location = given.get("location")
        return Choice(
            charge_points=given["charge_points"],
            location_id=location.pk if location else None,
            vendor=given["vendor"],
            model=given["model"],
        )

    def plan(self) -> Plan:
        return Plan(**{name: self.cleaned_data[name] for name in Plan.__dataclass_fields__})


class UpdateForm(_WithFile):
    """Firmware for one charger."""

    wait = forms.BooleanField(
        label="Wait for the charger if it is offline or busy with another update",
        required=False,
        widget=widgets.UnfoldBooleanWidget,
    )
    only_idle = forms.BooleanField(
        label="Ask only when nobody charges", required=False, widget=widgets.UnfoldBooleanWidget
    )
    starts_at = _moment("Not before", "Empty: now.")
    download_retries = _whole(
        "Downloads that the charger repeats", "Empty: it decides.", required=False, min_value=0, max_value=100
    )
    ignore_model = forms.BooleanField(
        label="Also if the file is for another vendor or model",
        required=False,
        widget=widgets.UnfoldBooleanWidget,
    )
    confirm = forms.BooleanField(
        label="Install this firmware? The charger restarts, and wrong firmware can make it useless.",
        widget=widgets.UnfoldBooleanWidget,
        error_messages={"required": "Tick the box to go on."},
    )

    def plan(self) -> Plan:
        given = self.cleaned_data
        return Plan(
            batch_size=1,
            only_idle=given["only_idle"],
            starts_at=given["starts_at"],
            download_retries=given["download_retries"],
        )


class LogForm(forms.Form):
    """What to upload, and where to."""

    kind = forms.ChoiceField(
        label="What",
        choices=(
            (LogKind.DIAGNOSTICS, "Diagnostics (every charger with firmware management)"),
            (LogKind.DIAGNOSTICS_LOG, "Diagnostics log (security extension, OCPP 2.x)"),
            (LogKind.SECURITY_LOG, "Security log (security extension, OCPP 2.x)"),
            (LogKind.DATA_COLLECTOR_LOG, "Data collector's log (OCPP 2.1)"),
        ),
        widget=widgets.UnfoldAdminSelectWidget,
    )
    oldest_at = _moment("From", "Empty: from the oldest entry.")
    latest_at = _moment("Until", "Empty: to the newest entry.")
    url = forms.CharField(
        label="Upload to another address",
        max_length=512,
        required=False,
        help_text="Empty: to us, by http or https. Chargers that know FTP only need the address of an FTP server "
        "of yours here, such as ftp://user:password@ftp.example.com/logs/.",
        widget=widgets.UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    if_offline = forms.ChoiceField(
        label="If offline",
        required=False,
        choices=(("", "Do not send"), ("3600", "Send within an hour"), ("86400", "Send within a day")),
        widget=widgets.UnfoldAdminSelectWidget,
    )

    def add_problems(self, problems: dict[str, str]) -> None:
        """Show what the service found wrong."""
        for name, text in problems.items():
            self.add_error(name if name in self.fields else None, text)

    def expires_in(self) -> int | None:
        return int(self.cleaned_data.get("if_offline") or 0) or None
