"""Factories of every model.  A row's tenant follows from the row it hangs on, so that tests name it once."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from factory import declarations, helpers
from factory.django import DjangoModelFactory, Password

from accounts import models as accounts
from accounts.choices import AuthorizationStatus, Role
from accounts.models import ApiKey
from chargepoints import keys, list_plan
from chargepoints import models as chargepoints
from chargepoints.choices import (
    AuthorityKind,
    CertificateKind,
    CertificateRequestState,
    CertificateUse,
    CommandStatus,
    ConnectorStatus,
    RefusalReason,
    StatusReportKind,
    VariableChangeKind,
    VariableSource,
)
from csms_project.common import models as common
from transactions import models as transactions
from transactions.choices import EndKind, LedgerKind, TransactionState

# The package is typed as if a factory gave a factory and a declaration were the value; Any is nearer the truth.
Factory: Any = DjangoModelFactory
LazyAttribute: Any = declarations.LazyAttribute
LazyFunction: Any = declarations.LazyFunction
SelfAttribute: Any = declarations.SelfAttribute
Sequence: Any = declarations.Sequence
SubFactory: Any = declarations.SubFactory

PASSWORD = "correct horse battery"
CHARGER_KEY = "0123456789abcdef0123456789abcdef01234567"
#: A moment of the tests; nothing reads the machine's clock for a session.
T0 = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def now() -> datetime:
    return datetime.now(UTC)


class TenantFactory(Factory):
    class Meta:
        model = accounts.Tenant

    slug = Sequence(lambda n: f"tenant-{n}")
    name = LazyAttribute(lambda o: o.slug.title())


class UserFactory(Factory):
    class Meta:
        model = accounts.User
        skip_postgeneration_save = True

    username = Sequence(lambda n: f"user{n}")
    email = LazyAttribute(lambda o: f"{o.username}@example.com")
    password = Password(PASSWORD)


class MembershipFactory(Factory):
    class Meta:
        model = accounts.Membership

    tenant = SubFactory(TenantFactory)
    user = SubFactory(UserFactory)
    role = Role.VIEWER


class DriverFactory(Factory):
    class Meta:
        model = accounts.Driver

    tenant = SubFactory(TenantFactory)
    name = Sequence(lambda n: f"Driver {n}")
    email = Sequence(lambda n: f"driver{n}@example.com")


class TokenGroupFactory(Factory):
    class Meta:
        model = accounts.TokenGroup

    tenant = SubFactory(TenantFactory)
    name = Sequence(lambda n: f"GROUP{n}")


class IdTokenFactory(Factory):
    class Meta:
        model = accounts.IdToken

    tenant = SubFactory(TenantFactory)
    value = Sequence(lambda n: f"04A1B2C3{n:04d}")


class ApiKeyFactory(Factory):
    """The key itself, shown once in real life, is on `plain_key`."""

    class Meta:
        model = ApiKey

    tenant = SubFactory(TenantFactory)
    name = Sequence(lambda n: f"key {n}")
    role = Role.OPERATOR

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> Any:
        row, plain = model_class.objects.create_key(*args, **kwargs)
        row.plain_key = plain
        return row


class LocationFactory(Factory):
    class Meta:
        model = chargepoints.Location

    tenant = SubFactory(TenantFactory)
    name = Sequence(lambda n: f"Site {n}")
    country = "DE"


class ChargePointFactory(Factory):
    """Without EVSEs; `connectors=n` makes n of them with one connector each."""

    class Meta:
        model = chargepoints.ChargePoint
        skip_postgeneration_save = True

    tenant = SubFactory(TenantFactory)
    identity = Sequence(lambda n: f"CP{n:04d}")
    key_hash = LazyFunction(lambda: keys.hash_key(CHARGER_KEY))
    ocpp_version = "ocpp1.6"

    @helpers.post_generation
    def connectors(obj: chargepoints.ChargePoint, create: bool, extracted: int | None, **kwargs: Any) -> None:
        for number in range(1, (extracted or 0) + 1):
            ConnectorFactory(evse__charge_point=obj, evse__number=number)


class EvseFactory(Factory):
    class Meta:
        model = chargepoints.Evse

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    number = Sequence(lambda n: n + 1)


class ConnectorFactory(Factory):
    class Meta:
        model = chargepoints.Connector

    evse = SubFactory(EvseFactory)
    charge_point = SelfAttribute("evse.charge_point")
    tenant = SelfAttribute("evse.tenant")
    number = 1
    ocpp_number = SelfAttribute("evse.number")
    status = ConnectorStatus.AVAILABLE


class GatewayNodeFactory(Factory):
    class Meta:
        model = chargepoints.GatewayNode

    id = LazyFunction(uuid.uuid4)
    host = "gateway-1"
    pid = Sequence(lambda n: n + 100)
    version = "0.1.0"
    started_at = LazyFunction(now)
    lease_until = LazyFunction(lambda: now() + timedelta(minutes=1))


class ConnectionFactory(Factory):
    class Meta:
        model = chargepoints.Connection

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    node = SubFactory(GatewayNodeFactory)
    token = LazyFunction(uuid.uuid4)
    ocpp_version = "ocpp1.6"
    security_profile = 1
    remote_address = "192.0.2.10"
    connected_at = LazyFunction(now)
    last_frame_at = LazyFunction(now)


class RefusedConnectionFactory(Factory):
    class Meta:
        model = chargepoints.RefusedConnection

    identity = Sequence(lambda n: f"STRANGER{n}")
    reason = RefusalReason.UNKNOWN_IDENTITY
    remote_address = "192.0.2.20"
    first_at = T0
    last_at = T0


class CommandFactory(Factory):
    class Meta:
        model = chargepoints.Command

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    action = "reset"
    payload = LazyFunction(lambda: {"kind": "Soft"})
    status = CommandStatus.QUEUED
    created_at = LazyFunction(now)
    expires_at = LazyFunction(lambda: now() + timedelta(minutes=1))
    timeout_s = 30


class SecurityProfileUpgradeFactory(Factory):
    class Meta:
        model = chargepoints.SecurityProfileUpgrade

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    from_profile = 1
    target_profile = 2


class VariableFactory(Factory):
    class Meta:
        model = chargepoints.Variable

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    name = Sequence(lambda n: f"Key{n}")
    name_key = LazyAttribute(lambda o: o.name.casefold())
    value = "1"
    updated_at = T0


class DeviceReportFactory(Factory):
    class Meta:
        model = chargepoints.DeviceReport

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    request_id = Sequence(lambda n: n)
    base = "FullInventory"
    started_at = T0
    last_at = T0


class ReservationFactory(Factory):
    class Meta:
        model = chargepoints.Reservation

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    reservation_id = Sequence(lambda n: n + 1)
    id_token_value = "04A1B2C3"
    expires_at = T0 + timedelta(hours=1)


class DisplayMessageFactory(Factory):
    class Meta:
        model = chargepoints.DisplayMessage

    tenant = SubFactory(TenantFactory)
    name = Sequence(lambda n: f"Message {n}")
    content = "Welcome"
    look_at = T0


class ShownMessageFactory(Factory):
    """A message that a charger holds."""

    class Meta:
        model = chargepoints.ShownMessage

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    number = Sequence(lambda n: n + 1)
    status = "held"
    sent = LazyFunction(lambda: {"content": "Welcome", "format": "UTF8", "priority": "NormalCycle"})


class DerControlFactory(Factory):
    class Meta:
        model = chargepoints.DerControl

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    control_id = Sequence(lambda n: f"c-{n}")
    control_type = "LimitMaxDischarge"
    is_default = True
    content = LazyFunction(lambda: {"percent": 50})


class DerEventFactory(Factory):
    class Meta:
        model = chargepoints.DerEvent

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    received_at = T0
    at = T0
    kind = "alarm"
    control_type = "VoltWatt"
    fault = "OverVoltage"
    is_open = True


class BatterySwapFactory(Factory):
    class Meta:
        model = chargepoints.BatterySwap

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    request_id = Sequence(lambda n: n + 1)
    id_token_value = "04A1B2C3"
    authorization = "Accepted"
    status = "brought"
    in_at = T0
    last_event_at = T0


class SwappedBatteryFactory(Factory):
    class Meta:
        model = chargepoints.SwappedBattery

    swap = SubFactory(BatterySwapFactory)
    direction = "in"
    evse_number = 1
    serial_number = Sequence(lambda n: f"B-{n}")
    soc = Decimal("12.5")
    soh = Decimal(98)
    at = T0


class FleetTaskFactory(Factory):
    class Meta:
        model = chargepoints.FleetTask

    tenant = SubFactory(TenantFactory)
    title = Sequence(lambda n: f"Task {n}")
    actions = LazyFunction(lambda: ["get_configuration"])
    requested_by_name = "somebody"
    created_at = T0


class FleetTaskItemFactory(Factory):
    class Meta:
        model = chargepoints.FleetTaskItem

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    task = LazyAttribute(lambda o: FleetTaskFactory(tenant=o.tenant))
    action = "get_configuration"


class PublishedFirmwareFactory(Factory):
    class Meta:
        model = chargepoints.PublishedFirmware

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    request_id = Sequence(lambda n: n + 1)
    location = "https://files.example.org/fw.bin"
    checksum = "0123456789abcdef0123456789abcdef"


class LocalListContentFactory(Factory):
    """What a list says: pass `tags`, by value and status."""

    class Meta:
        model = chargepoints.LocalListContent

    class Params:
        tags = LazyFunction(dict)

    tenant = SubFactory(TenantFactory)
    entries = LazyAttribute(lambda o: list_plan.to_rows(tag_entries(o.tags)))
    count = LazyAttribute(lambda o: len(o.tags))
    digest = LazyAttribute(lambda o: list_plan.digest(tag_entries(o.tags)))
    used_at = T0


def tag_entries(tags: dict[str, str]) -> dict[str, list_plan.Entry]:
    """Entries of a list from values and their status."""
    return list_plan.by_key(list_plan.Entry(value=value, status=status) for value, status in tags.items())


class LocalListFactory(Factory):
    """A list of a charger of which nothing is known, kept in step."""

    class Meta:
        model = chargepoints.LocalList

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    is_kept = True
    look_at = T0


class ChargingProfileFactory(Factory):
    class Meta:
        model = chargepoints.ChargingProfile

    tenant = SubFactory(TenantFactory)
    name = Sequence(lambda n: f"Profile {n}")
    purpose = "TxDefaultProfile"
    kind = "Relative"
    periods = LazyFunction(lambda: [{"start_period": 0, "limit": "16"}])


class ChargingProfileAssignmentFactory(Factory):
    class Meta:
        model = chargepoints.ChargingProfileAssignment

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    connector_number = 1
    profile_number = Sequence(lambda n: n + 1)
    purpose = "TxDefaultProfile"
    content = LazyAttribute(
        lambda o: {
            "purpose": o.purpose,
            "kind": "Relative",
            "charging_rate_unit": "A",
            "stack_level": o.stack_level,
            "periods": [{"start_period": 0, "limit": "16"}],
        }
    )
    stack_level = 0
    state = "active"
    since = T0


class ReportedScheduleFactory(Factory):
    class Meta:
        model = chargepoints.ReportedSchedule

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    connector_number = 1
    charging_rate_unit = "A"
    starts_at = T0
    duration = 86_400
    periods = LazyFunction(lambda: [{"start_period": 0, "limit": "16"}])
    reported_at = T0


class ProfileReportFactory(Factory):
    class Meta:
        model = chargepoints.ProfileReport

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    request_id = Sequence(lambda n: n + 1)
    asked_at = T0


class ReportedProfileFactory(Factory):
    class Meta:
        model = chargepoints.ReportedProfile

    report = SubFactory(ProfileReportFactory)
    charge_point = SelfAttribute("report.charge_point")
    tenant = SelfAttribute("report.tenant")
    connector_number = 1
    profile_number = Sequence(lambda n: n + 1)
    source = "CSO"
    purpose = "TxDefaultProfile"
    content = LazyAttribute(
        lambda o: {
            "purpose": o.purpose,
            "kind": "Relative",
            "charging_rate_unit": "A",
            "stack_level": 0,
            "periods": [{"start_period": 0, "limit": "16"}],
        }
    )
    reported_at = T0


class ExternalLimitFactory(Factory):
    """Of the whole charger, 4 kW."""

    class Meta:
        model = chargepoints.ExternalLimit

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    connector_number = 0
    source = "EMS"
    content = LazyFunction(
        lambda: {
            "purpose": "ChargingStationExternalConstraints",
            "kind": "Dynamic",
            "charging_rate_unit": "W",
            "periods": [{"start_period": 0, "limit": "4000"}],
        }
    )
    since = T0


class VehicleNeedsFactory(Factory):
    class Meta:
        model = chargepoints.VehicleNeeds

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    connector_number = 1
    transaction_number = "tx-1"
    transfer = "AC_three_phase"
    needs = LazyFunction(lambda: {"requestedEnergyTransfer": "AC_three_phase"})
    needs_at = T0
    answer = "Accepted"


class PriorityChargingFactory(Factory):
    class Meta:
        model = chargepoints.PriorityCharging

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    connector_number = 1
    transaction_number = Sequence(lambda n: f"tx-{n}")
    is_active = True
    changed_at = T0


class FirmwareFileFactory(Factory):
    """At an address outside, so that no content is needed."""

    class Meta:
        model = chargepoints.FirmwareFile

    tenant = SubFactory(TenantFactory)
    name = Sequence(lambda n: f"Firmware {n}")
    version = "2.0.0"
    url = "https://vendor.example.com/fw-2.0.0.bin"


class FirmwareCampaignFactory(Factory):
    class Meta:
        model = chargepoints.FirmwareCampaign

    file = SubFactory(FirmwareFileFactory)
    tenant = SelfAttribute("file.tenant")
    name = Sequence(lambda n: f"Campaign {n}")


class FirmwareUpdateFactory(Factory):
    class Meta:
        model = chargepoints.FirmwareUpdate

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    campaign = LazyAttribute(lambda o: FirmwareCampaignFactory(file__tenant=o.tenant))


class LogRequestFactory(Factory):
    class Meta:
        model = chargepoints.LogRequest

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    kind = "diagnostics"
    expires_at = LazyFunction(lambda: now() + timedelta(days=1))


class LogRowFactory(Factory):
    class Meta:
        abstract = True

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    received_at = T0


class ChargerEventFactory(LogRowFactory):
    class Meta:
        model = chargepoints.ChargerEvent

    event_id = Sequence(lambda n: n + 1)
    at = T0
    trigger = "Alerting"
    component = "EVSE"
    evse_number = 1
    variable = "Temperature"
    value = "91"


class MonitorFactory(Factory):
    class Meta:
        model = chargepoints.Monitor

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    monitor_id = Sequence(lambda n: n + 1)
    component = "EVSE"
    evse_number = 1
    variable = "Temperature"
    type = "UpperThreshold"
    value = "90"
    severity = 3


class EventStreamFactory(Factory):
    class Meta:
        model = chargepoints.EventStream

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    stream_id = Sequence(lambda n: n + 1)
    monitor_id = 1
    opened_at = T0


class CustomerInformationFactory(Factory):
    class Meta:
        model = chargepoints.CustomerInformation

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    request_id = Sequence(lambda n: n + 1)
    customer = "Tag 04A1B2C3"
    report = True
    clear = False


class ConfigurationTemplateFactory(Factory):
    """`entries={"Key": "value"}` fills it."""

    class Meta:
        model = chargepoints.ConfigurationTemplate
        skip_postgeneration_save = True

    tenant = SubFactory(TenantFactory)
    name = Sequence(lambda n: f"Template {n}")

    @helpers.post_generation
    def entries(
        obj: chargepoints.ConfigurationTemplate,
        create: bool,
        extracted: dict[str, str] | None,
        **kwargs: Any,
    ) -> None:
        for key, value in (extracted or {}).items():
            obj.entries.create(tenant=obj.tenant, key=key, value=value)


class VariableChangeFactory(LogRowFactory):
    class Meta:
        model = chargepoints.VariableChange

    name = "HeartbeatInterval"
    kind = VariableChangeKind.CHANGED
    source = VariableSource.READ
    old = "60"
    new = "300"


class StatusEventFactory(LogRowFactory):
    class Meta:
        model = chargepoints.StatusEvent

    connector_number = 1
    evse_number = 1
    status = ConnectorStatus.AVAILABLE
    error_code = "NoError"
    at = T0


class OcppMessageFactory(LogRowFactory):
    class Meta:
        model = chargepoints.OcppMessage

    sent_by_charger = True
    message_id = Sequence(lambda n: f"m{n}")
    action = "Heartbeat"
    request = "{}"
    response = '{"currentTime":"2026-03-02T10:00:00Z"}'
    answered_at = T0


class FrameAnomalyFactory(LogRowFactory):
    class Meta:
        model = chargepoints.FrameAnomaly

    action = "MeterValues"
    frame = '[2,"m","MeterValues",{}]'
    problem = "connectorId is missing"
    was_served = False


class SecurityEventFactory(LogRowFactory):
    class Meta:
        model = chargepoints.SecurityEvent

    type = "SettingSystemTime"
    at = T0


class CertificateFactory(Factory):
    """A row as the lists show it; the texts are no real certificate."""

    class Meta:
        model = chargepoints.Certificate

    charge_point = SubFactory(ChargePointFactory)
    tenant = LazyAttribute(lambda o: o.charge_point.tenant if o.charge_point else None)
    kind = CertificateKind.CHARGER
    serial_number = Sequence(lambda n: f"{n + 4096:X}")
    subject = LazyAttribute(lambda o: f"CN={o.common_name}")
    issuer = "CN=Issuing CA"
    common_name = LazyAttribute(lambda o: o.charge_point.identity if o.charge_point else "Somebody")
    organization = "Acme"
    fingerprint = LazyFunction(lambda: uuid.uuid4().hex * 2)
    key = "ECDSA P-256"
    not_before = LazyFunction(lambda: now() - timedelta(days=1))
    not_after = LazyFunction(lambda: now() + timedelta(days=365))
    pem = "-----BEGIN CERTIFICATE-----\n"


class CertificateAuthorityFactory(Factory):
    """A row as the lists show it; the texts are no real certificate and no real key."""

    class Meta:
        model = chargepoints.CertificateAuthority

    kind = AuthorityKind.ROOT
    family = "ec"
    key_kind = "ec-p256"
    serial_number = Sequence(lambda n: f"{n + 65536:X}")
    subject = issuer = "CN=Acme Root CA"
    common_name = "Acme Root CA"
    organization = "Acme"
    fingerprint = LazyFunction(lambda: uuid.uuid4().hex * 2)
    key = "ECDSA P-256"
    not_before = LazyFunction(lambda: now() - timedelta(days=1))
    not_after = LazyFunction(lambda: now() + timedelta(days=7300))
    pem = "-----BEGIN CERTIFICATE-----\n"
    private_key = "encrypted"


class CertificateRequestFactory(Factory):
    class Meta:
        model = chargepoints.CertificateRequest

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    state = CertificateRequestState.WAITING
    received_at = LazyFunction(now)
    csr = "-----BEGIN CERTIFICATE REQUEST-----\n"
    digest = LazyFunction(lambda: uuid.uuid4().hex * 2)
    subject = LazyAttribute(lambda o: f"CN={o.common_name}")
    common_name = SelfAttribute("charge_point.identity")
    organization = "Acme"
    key = "ECDSA P-256"


class InstalledCertificateFactory(Factory):
    class Meta:
        model = chargepoints.InstalledCertificate

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    use = CertificateUse.CENTRAL_SYSTEM
    hash_algorithm = "SHA256"
    issuer_name_hash = "ab" * 32
    issuer_key_hash = "cd" * 32
    serial_number = Sequence(lambda n: f"{n + 4096:X}")
    is_reported = True
    updated_at = LazyFunction(now)


class StatusReportFactory(LogRowFactory):
    class Meta:
        model = chargepoints.StatusReport

    kind = StatusReportKind.FIRMWARE
    status = "Downloading"


class DataTransferFactory(LogRowFactory):
    class Meta:
        model = chargepoints.DataTransfer

    vendor_id = "com.example"
    answer = "UnknownVendorId"


class BatchReceiptFactory(Factory):
    class Meta:
        model = chargepoints.BatchReceipt

    id = LazyFunction(uuid.uuid4)
    created_at = T0


def energy_tariff(price: str = "0.50", vat: str | None = None) -> list[dict[str, Any]]:
    """OCPI elements: one price per kWh."""
    return [{"price_components": [{"type": "ENERGY", "price": price, "vat": vat, "step_size": None}]}]


class ModelProfileFactory(Factory):
    class Meta:
        model = chargepoints.ChargePointModelProfile

    tenant = SubFactory(TenantFactory)
    name = Sequence(lambda n: f"Profile {n}")
    vendor = "Amperia"


class TariffFactory(Factory):
    class Meta:
        model = transactions.Tariff

    tenant = SubFactory(TenantFactory)
    name = Sequence(lambda n: f"Tariff {n}")
    currency = "EUR"
    elements = LazyFunction(energy_tariff)


class TransactionFactory(Factory):
    """An active session that started at T0 at a register of 1,000 Wh; with `ended=True` it took 10 kWh."""

    class Meta:
        model = transactions.Transaction

    class Params:
        ended = declarations.Trait(
            state=TransactionState.ENDED,
            end_kind=EndKind.CHARGER,
            stop_reason="Local",
            ended_at=LazyAttribute(lambda o: o.started_at + timedelta(hours=1)),
            end_received_at=SelfAttribute("ended_at"),
            meter_stop_wh=Decimal("11000.000"),
            energy_wh=Decimal("10000.000"),
            currency="EUR",
            cost=Decimal("5.0000"),
            cost_excl_vat=Decimal("5.0000"),
            cost_vat=Decimal("0.0000"),
        )

    connector = SubFactory(ConnectorFactory)
    evse = LazyAttribute(lambda o: o.connector.evse if o.connector else None)
    charge_point = LazyAttribute(lambda o: o.connector.charge_point if o.connector else ChargePointFactory())
    tenant = SelfAttribute("charge_point.tenant")
    connector_number = LazyAttribute(lambda o: o.connector.ocpp_number if o.connector else 1)
    ocpp_version = "ocpp1.6"
    ocpp_id = Sequence(lambda n: str(100_000 + n))
    id_token_value = "04A1B2C3"
    authorization_status = AuthorizationStatus.ACCEPTED
    started_at = T0
    start_received_at = SelfAttribute("started_at")
    meter_start_wh = Decimal("1000.000")
    meter_start_raw = "1000"
    currency = "EUR"
    tariff_snapshot = LazyFunction(lambda: {"currency": "EUR", "elements": energy_tariff()})


class TransactionEventFactory(Factory):
    """An event one minute after the one before; the first is the start."""

    class Meta:
        model = transactions.TransactionEvent

    transaction = SubFactory(TransactionFactory)
    tenant = SelfAttribute("transaction.tenant")
    charge_point = SelfAttribute("transaction.charge_point")
    seq_no = Sequence(int)
    kind = LazyAttribute(lambda row: "Updated" if row.seq_no else "Started")
    at = LazyAttribute(lambda row: row.transaction.started_at + timedelta(minutes=row.seq_no))
    received_at = SelfAttribute("at")
    trigger = "MeterValuePeriodic"
    digest = Sequence(lambda number: f"{number:040x}")


class MeterLayoutFactory(Factory):
    """The energy register and the power, as most chargers send them."""

    class Meta:
        model = transactions.MeterLayout
        django_get_or_create = ("digest",)

    digest = "energy-and-power"
    columns = LazyFunction(
        lambda: [
            ["Energy.Active.Import.Register", "Wh", None, "Sample.Periodic", "Outlet", None],
            ["Power.Active.Import", "W", None, "Sample.Periodic", "Outlet", None],
        ]
    )


class MeterValueFactory(Factory):
    """A reading of a session; pass `transaction`, `sampled_at` and `register_wh`."""

    class Meta:
        model = transactions.MeterValue

    transaction = SubFactory(TransactionFactory)
    charge_point = SelfAttribute("transaction.charge_point")
    tenant = SelfAttribute("transaction.tenant")
    connector_number = SelfAttribute("transaction.connector_number")
    sampled_at = T0
    received_at = SelfAttribute("sampled_at")
    layout = SubFactory(MeterLayoutFactory)
    register_wh = Decimal("1000.000")
    values = LazyAttribute(lambda o: [str(o.register_wh), "11000"])


class LedgerEntryFactory(Factory):
    class Meta:
        model = transactions.LedgerEntry

    transaction = SubFactory(TransactionFactory)
    tenant = SelfAttribute("transaction.tenant")
    kind = LedgerKind.NOTE
    text = "A note."
    at = T0


class EventFactory(Factory):
    class Meta:
        model = common.Event

    tenant = SubFactory(TenantFactory)
    kind = "transaction.started"
    created_at = T0


class AuditEntryFactory(Factory):
    class Meta:
        model = common.AuditEntry

    tenant = SubFactory(TenantFactory)
    actor_name = "somebody"
    via = "api"
    action = "tenant.change"


class SettlementFactory(Factory):
    """A payment of 5.00 EUR that a charger with a terminal has settled."""

    class Meta:
        model = transactions.Settlement

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    psp_ref = Sequence(lambda n: f"psp-{n}")
    status = "Settled"
    amount = Decimal("5.0000")
    currency = "EUR"
    settled_at = T0
    received_at = T0
    receipt_token = Sequence(lambda n: f"receipt-{n:030}")
    digest = Sequence(lambda n: f"{n:040}")


class WebPaymentFactory(Factory):
    """A payment on the web of which nothing is authorized yet."""

    class Meta:
        model = transactions.WebPayment

    charge_point = SubFactory(ChargePointFactory)
    tenant = SelfAttribute("charge_point.tenant")
    evse_number = 1
    public_id = Sequence(lambda n: f"payment-{n:030}")
    interval = Sequence(lambda n: n)
    provider = "fake"
    amount = Decimal("50.0000")
    currency = "EUR"
    created_at = T0
    changed_at = T0
