"""Import and export of RFID tags as CSV."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core import signing
from django.core.exceptions import SuspiciousOperation, ValidationError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from import_export import fields, resources
from import_export.tmp_storages import TempFolderStorage
from import_export.widgets import Widget

from accounts.choices import TokenStatus, TokenType
from accounts.errors import AccountsError
from accounts.models import Driver, IdToken
from accounts.permissions import Actor
from accounts.services import tokens
from csms_project.common.admin import with_formula, without_formula


class SignedTempStorage(TempFolderStorage):
    """An upload between its preview and its confirmation.

    The confirmation names the file; signed, it cannot name another file of the temporary directory.
    """

    _SALT = "accounts.import"
    name: Any

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.name:
            try:
                self._file = signing.loads(self.name, salt=self._SALT, max_age=3600)
            except signing.BadSignature as error:
                raise SuspiciousOperation("This is no upload of ours, or it is too old.") from error

    def save(self, data: Any) -> None:
        super().save(data)
        self._file = Path(self.name).name
        self.name = signing.dumps(self._file, salt=self._SALT)

    def get_full_path(self) -> str:
        return str(Path(tempfile.gettempdir()) / self._file)


#: Characters of a type (OCPP 2.1, IdTokenType).
MAX_TYPE = 20


class ChoiceWidget(Widget):
    """One of an enumeration, without regard to case; empty is the default.

    is_open  other words are taken as they are
    """

    def __init__(self, choices: type[Any], default: str, *, is_open: bool = False) -> None:
        super().__init__()
        self.values = {str(value).casefold(): str(value) for value in choices.values}
        self.default, self.is_open = default, is_open

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> str:
        text = str(value or "").strip()
        if not text:
            return self.default
        if self.is_open and len(text) <= MAX_TYPE:
            return self.values.get(text.casefold(), text)
        if text.casefold() not in self.values:
            raise ValueError(f"“{text}” is none of {', '.join(self.values.values())}.")
        return self.values[text.casefold()]


class MomentWidget(Widget):
    """ISO 8601; a day alone means its start, and a time without offset is the tenant's."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> datetime | None:
        text = str(value or "").strip()
        if not text:
            return None
        try:
            moment = parse_datetime(text)
            if moment is None and (day := parse_date(text)) is not None:
                moment = datetime(day.year, day.month, day.day)  # noqa: DTZ001
        except ValueError:
            moment = None
        if moment is None:
            raise ValueError(f"“{text}” is no date such as 2026-12-31 or 2026-12-31T18:00:00+01:00.")
        return moment if timezone.is_aware(moment) else timezone.make_aware(moment)

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return value.isoformat(timespec="seconds") if value else ""


class CountWidget(Widget):
    """A whole number or nothing."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> int | None:
        text = str(value or "").strip()
        if not text:
            return None
        if not text.isascii() or not text.isdigit() or int(text) > 32767:
            raise ValueError(f"“{text}” is no whole number.")
        return int(text)


class TextWidget(Widget):
    """Text, trimmed; never None."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> str:
        return str(value if value is not None else "").strip()

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return "" if value is None else str(value)


class IdTokenResource(resources.ModelResource):
    """One row a tag: a known value and type is changed, a new one is made; columns left out stay as they are.

    Writes go through the services, so that they are checked, audited and told like any other.
    """

    value = fields.Field("value", "value", TextWidget())
    type = fields.Field("type", "type", ChoiceWidget(TokenType, TokenType.ISO14443, is_open=True))
    status = fields.Field("status", "status", ChoiceWidget(TokenStatus, TokenStatus.ACCEPTED))
    expires_at = fields.Field("expires_at", "expires_at", MomentWidget())
    group = fields.Field("group__name", "group", TextWidget(), readonly=True)
    driver_email = fields.Field("driver__email", "driver_email", TextWidget(), readonly=True)
    driver_name = fields.Field("driver__name", "driver_name", TextWidget(), readonly=True)
    max_active_sessions = fields.Field("max_active_sessions", "max_active_sessions", CountWidget())
    language1 = fields.Field("language1", "language1", TextWidget())
    language2 = fields.Field("language2", "language2", TextWidget())
    personal_message = fields.Field("personal_message", "personal_message", TextWidget())
    note = fields.Field("note", "note", TextWidget())

    class Meta:
        model = IdToken
        import_id_fields = ("value", "type")
        fields = (
            "value",
            "type",
            "status",
            "expires_at",
            "group",
            "driver_email",
            "driver_name",
            "max_active_sessions",
            "language1",
            "language2",
            "personal_message",
            "note",
        )
        export_order = fields
        use_transactions = True
        clean_model_instances = False
        skip_diff = False

    def __init__(self, *, actor: Actor, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.actor = actor

    def get_queryset(self) -> Any:
        return IdToken.objects.for_tenant(self.actor.tenant).select_related("group", "driver")

    def before_import(self, dataset: Any, **kwargs: Any) -> None:
        headers = dataset.headers or []
        if "value" not in headers:
            raise ValidationError("The first line must name the columns, and one of them must be “value”.")
        if "type" not in headers:
            # It is part of what identifies a row; empty means RFID.
            dataset.append_col(lambda row: "", header="type")

    def before_import_row(self, row: Any, **kwargs: Any) -> None:
        for name, value in row.items():
            row[name] = with_formula(value)
        if not str(row.get("value") or "").strip():
            raise ValidationError({"value": "Is missing."})
        # Part of what identifies a row, so it must be there.
        row["type"] = self.fields["type"].widget.clean(row.get("type"))

    def get_instance(self, instance_loader: Any, row: Any) -> IdToken | None:
        key = str(row["value"]).strip().casefold()
        found: IdToken | None = self.get_queryset().filter(value_key=key, type=row["type"]).first()
        return found

    def init_instance(self, row: Any = None) -> IdToken:
        return IdToken(tenant=self.actor.tenant)

    def after_init_instance(self, instance: Any, new: bool, row: Any, **kwargs: Any) -> None:
        super().after_init_instance(instance, new, row, **kwargs)
        instance.imported_row = row

    def do_instance_save(self, instance: Any, is_create: bool) -> None:
        columns = {name: getattr(instance, name) for name in self._plain_columns(instance)}
        try:
            columns |= self._references(instance.imported_row)
            if is_create:
                made = tokens.create_token(actor=self.actor, tenant=instance.tenant, **columns)
                instance.__dict__.update(made.__dict__)
            else:
                stored = IdToken.objects.get(pk=instance.pk)
                tokens.update_token(actor=self.actor, token=stored, **columns)
        except AccountsError as error:
            raise ValidationError(getattr(error, "errors", None) or str(error)) from error

    def _plain_columns(self, instance: Any) -> list[str]:
        names = (
            "value", "type", "status", "expires_at", "max_active_sessions", "language1", "language2",
            "personal_message", "note",
        )  # fmt: skip
        return [name for name in names if name in instance.imported_row]

    def _references(self, row: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        tenant = self.actor.tenant
        assert tenant is not None
        if "group" in row:
            name = str(row["group"] or "").strip()
            found["group"] = (
                tokens.get_or_create_group(actor=self.actor, tenant=tenant, name=name) if name else None
            )
        if "driver_email" in row:
            email = str(row["driver_email"] or "").strip()
            driver = Driver.objects.for_tenant(tenant).filter(email__iexact=email).first() if email else None
            if email and driver is None:
                raise ValidationError({"driver_email": f"There is no driver with the address {email}."})
            found["driver"] = driver
        return found

    def export_field(self, field: Any, instance: Any, **kwargs: Any) -> Any:
        if field.column_name == "value" and instance.is_secret:
            return "***"
        return without_formula(super().export_field(field, instance, **kwargs))
