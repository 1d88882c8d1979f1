"""Enumerations of charge points; values are the specification's literals, our own states are lower case."""

from django.db import models


class RegistrationStatus(models.TextChoices):
    """Answer to BootNotification (OCPP 1.6 §7.36)."""

    ACCEPTED = "Accepted", "Accepted"
    PENDING = "Pending", "Pending"
    REJECTED = "Rejected", "Rejected"


class SecurityProfile(models.IntegerChoices):
    """Security profiles of the OCPP security whitepaper §3."""

    NONE = 0, "0: no authentication"
    BASIC = 1, "1: key"
    TLS_BASIC = 2, "2: TLS and key"
    TLS_CERTIFICATE = 3, "3: TLS and client certificate"


class EnergyUnit(models.TextChoices):
    """Unit of an energy register (OCPP 1.6 §7.45)."""

    WH = "Wh", "Wh"
    KWH = "kWh", "kWh"


class RateUnit(models.TextChoices):
    """ChargingRateUnit (OCPP 1.6 §7.12)."""

    AMPERE = "A", "Ampere"
    WATT = "W", "Watt"


class ConnectorStatus(models.TextChoices):
    """ChargePointStatus of OCPP 1.6 §7.7 and ConnectorStatusEnumType of 2.x."""

    AVAILABLE = "Available", "Available"
    PREPARING = "Preparing", "Preparing"
    CHARGING = "Charging", "Charging"
    SUSPENDED_EVSE = "SuspendedEVSE", "Suspended by charger"
    SUSPENDED_EV = "SuspendedEV", "Suspended by vehicle"
    FINISHING = "Finishing", "Finishing"
    RESERVED = "Reserved", "Reserved"
    UNAVAILABLE = "Unavailable", "Unavailable"
    FAULTED = "Faulted", "Faulted"
    OCCUPIED = "Occupied", "Occupied"
    UNKNOWN = "", "Unknown"


class CommandStatus(models.TextChoices):
    """Life of a command."""

    QUEUED = "queued", "Queued"
    SENT = "sent", "Sent"
    ACCEPTED = "accepted", "Accepted"
    REJECTED = "rejected", "Rejected"
    NOT_SUPPORTED = "not_supported", "Not supported"
    FAILED = "failed", "Failed"
    TIMED_OUT = "timed_out", "Timed out"
    EXPIRED = "expired", "Expired"
    CANCELLED = "cancelled", "Cancelled"


FINAL_COMMAND_STATUSES = frozenset(CommandStatus) - {CommandStatus.QUEUED, CommandStatus.SENT}


class Via(models.TextChoices):
    """Where an act came from."""

    ADMIN = "admin", "Admin"
    API = "api", "API"
    CLI = "cli", "Command line"
    GATEWAY = "gateway", "Charger"
    JOB = "job", "Automatic"


class ReservationStatus(models.TextChoices):
    """Life of a reservation."""

    REQUESTED = "requested", "Requested"
    ACTIVE = "active", "Active"
    REJECTED = "rejected", "Rejected"
    USED = "used", "Used"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired"


class FleetTaskState(models.TextChoices):
    """Life of a fleet task."""

    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    CANCELLED = "cancelled", "Cancelled"
    STOPPED = "stopped", "Stopped"


class FleetItemStatus(models.TextChoices):
    """What became of one order of a fleet task; ends as its command does, or because none could be made."""

    WAITING = "waiting", "Waiting"
    UNDER_WAY = "under_way", "Under way"
    ACCEPTED = "accepted", "Accepted"
    REJECTED = "rejected", "Rejected"
    NOT_SUPPORTED = "not_supported", "Not supported"
    FAILED = "failed", "Failed"
    TIMED_OUT = "timed_out", "Timed out"
    EXPIRED = "expired", "Expired"
    OFFLINE = "offline", "Offline"
    REFUSED = "refused", "Not sent"
    CANCELLED = "cancelled", "Cancelled"


OPEN_ITEM_STATUSES = frozenset({FleetItemStatus.WAITING, FleetItemStatus.UNDER_WAY})
#: What may be tried again.
FAILED_ITEM_STATUSES = frozenset(FleetItemStatus) - {
    *OPEN_ITEM_STATUSES,
    FleetItemStatus.ACCEPTED,
    FleetItemStatus.CANCELLED,
}


class LocalListState(models.TextChoices):
    """How what a charger holds stands to what it should hold."""

    IN_STEP = "in_step", "In step"
    DUE = "due", "Due"
    SENDING = "sending", "Sending"
    FAILED = "failed", "Failed"
    NOT_SUPPORTED = "not_supported", "Not supported"
    UNKNOWN = "unknown", "Unknown"


class ProfilePurpose(models.TextChoices):
    """ChargingProfilePurposeType (OCPP 1.6 §7.10; 2.1 part 2 §3.11, where the whole charger is a ChargingStation)."""

    TX_DEFAULT = "TxDefaultProfile", "Every session"
    TX = "TxProfile", "One running session"
    CHARGE_POINT_MAX = "ChargePointMaxProfile", "The whole charger"
    PRIORITY = "PriorityCharging", "A session with priority"
    LOCAL_GENERATION = "LocalGeneration", "Power of the site, on top"


class ProfileKind(models.TextChoices):
    """ChargingProfileKindType (OCPP 1.6 §7.9, 2.1 part 2 §3.10)."""

    RECURRING = "Recurring", "Again and again"
    ABSOLUTE = "Absolute", "Once, from a date on"
    RELATIVE = "Relative", "From the start of charging"
    DYNAMIC = "Dynamic", "Updated while it holds"


class ProfileReportState(models.TextChoices):
    """How far a charger has told which charging profiles it has."""

    OPEN = "open", "Being told"
    COMPLETE = "complete", "Complete"
    INCOMPLETE = "incomplete", "Broken off"


class NeedsAnswer(models.TextChoices):
    """NotifyEVChargingNeedsStatusEnumType (2.0.1 part 2 §3.53, 2.1 §3.63)."""

    ACCEPTED = "Accepted", "Accepted"
    REJECTED = "Rejected", "Rejected"
    PROCESSING = "Processing", "Processing"
    NO_PROFILE = "NoChargingProfile", "No profile of ours"


class RecurrencyKind(models.TextChoices):
    """RecurrencyKindType (OCPP 1.6 §7.37, errata 3.79)."""

    DAILY = "Daily", "Every day"
    WEEKLY = "Weekly", "Every week"


class AssignmentState(models.TextChoices):
    """Whether a charger holds a charging profile, as far as we know."""

    REQUESTED = "requested", "Requested"
    ACTIVE = "active", "Active"
    REJECTED = "rejected", "Rejected"
    CLEARED = "cleared", "Cleared"
    UNKNOWN = "unknown", "Unknown"
    EXPIRED = "expired", "Expired"


class RefusalReason(models.TextChoices):
    """Why a handshake was refused."""

    UNKNOWN_IDENTITY = "unknown_identity", "Unknown identity"
    BAD_IDENTITY = "bad_identity", "Unusable identity"
    NO_CREDENTIALS = "no_credentials", "No key sent"
    WRONG_KEY = "wrong_key", "Wrong key"
    NO_KEY_SET = "no_key_set", "No key set for this charger"
    SUBPROTOCOL = "subprotocol", "No common OCPP version"
    SECURITY_PROFILE = "security_profile", "Security profile not met"
    CERTIFICATE = "certificate", "Client certificate not accepted"
    TLS = "tls", "TLS handshake failed"
    ARCHIVED = "archived", "Charger is archived"
    TOO_MANY_ATTEMPTS = "too_many_attempts", "Too many attempts"


class StatusReportKind(models.TextChoices):
    """Which notification reported."""

    FIRMWARE = "firmware", "Firmware update"
    DIAGNOSTICS = "diagnostics", "Diagnostics upload"
    LOG = "log", "Log upload"
    SIGNED_FIRMWARE = "signed_firmware", "Signed firmware update"
    PUBLISH = "publish", "Published firmware"


class VariableChangeKind(models.TextChoices):
    """What became of a configuration key."""

    ADDED = "added", "Added"
    CHANGED = "changed", "Changed"
    GONE = "gone", "No longer listed"


class VariableSource(models.TextChoices):
    """How we know of a change."""

    READ = "read", "Read from the charger"
    SET = "set", "Set by us"
    BOOT = "boot", "Reported after a boot"


class DeviceReportBase(models.TextChoices):
    """What a report of the device model was asked to hold (2.0.1 part 2, ReportBaseEnumType)."""

    FULL = "FullInventory", "All variables"
    CONFIGURATION = "ConfigurationInventory", "What can be changed"
    SUMMARY = "SummaryInventory", "Availability and problems"
    CUSTOM = "Custom", "Chosen variables"


class DeviceReportStatus(models.TextChoices):
    """How far a report of the device model has come."""

    OPEN = "open", "Under way"
    COMPLETE = "complete", "Complete"
    PARTIAL = "partial", "Parts are missing"


class AuthorityKind(models.TextChoices):
    """Place in the hierarchy (OCPP 1.6 security whitepaper §2.6.2)."""

    ROOT = "root", "Root"
    ISSUING = "issuing", "Issuing"


class AuthorityState(models.TextChoices):
    """Whether an authority signs, or is only trusted until it expires."""

    ACTIVE = "active", "Active"
    RETIRED = "retired", "Trusted, signs no more"
    EXPIRED = "expired", "Expired"


class CertificateKind(models.TextChoices):
    """Certificates beside our authorities (OCPP 1.6 security whitepaper §2.6; 2.0.1 part 2 M)."""

    CHARGER = "charger", "Charger"
    V2G = "v2g", "Charger, for vehicles"
    SERVER = "server", "Server"
    CENTRAL_ROOT = "central_root", "Foreign root for this system"
    MANUFACTURER_ROOT = "manufacturer_root", "Manufacturer's root"
    V2G_ROOT = "v2g_root", "V2G root"
    MO_ROOT = "mo_root", "Mobility operator's root"
    OEM_ROOT = "oem_root", "Vehicle maker's root"


class CertificateState(models.TextChoices):
    """Life of a certificate."""

    ISSUED = "issued", "Issued"
    DELIVERED = "delivered", "Delivered"
    INSTALLED = "installed", "In use"
    REJECTED = "rejected", "Rejected by the charger"
    SUPERSEDED = "superseded", "Superseded"
    REVOKED = "revoked", "Revoked"
    EXPIRED = "expired", "Expired"


class CertificateRequestState(models.TextChoices):
    """Life of a charger's request for a certificate."""

    RECEIVED = "received", "Received"
    WAITING = "waiting", "Waits for approval"
    SIGNED = "signed", "Signed, on its way"
    DELIVERED = "delivered", "Delivered"
    REFUSED = "refused", "Refused"
    FAILED = "failed", "Failed"
    SUPERSEDED = "superseded", "Superseded"


class CertificatePurpose(models.TextChoices):
    """What a charger wants a certificate for (2.0.1 CertificateSigningUseEnumType)."""

    CONNECTION = "ChargingStationCertificate", "Connection to this system"
    V2G = "V2GCertificate", "Vehicles (ISO 15118-2)"
    V2G_20 = "V2G20Certificate", "Vehicles (ISO 15118-20)"


class RevocationReason(models.TextChoices):
    """Why a certificate was revoked (RFC 5280 §5.3.1)."""

    UNSPECIFIED = "unspecified", "Unspecified"
    KEY_COMPROMISE = "keyCompromise", "The key may be known to others"
    AFFILIATION_CHANGED = "affiliationChanged", "The organisation has changed"
    SUPERSEDED = "superseded", "Replaced by another"
    CESSATION = "cessationOfOperation", "The charger is out of service"


class CertificateUse(models.TextChoices):
    """What a certificate in a charger is for (OCPP 1.6 security whitepaper §6.4; 2.0.1 GetCertificateIdUseEnumType)."""

    CENTRAL_SYSTEM = "CentralSystemRootCertificate", "This system"
    MANUFACTURER = "ManufacturerRootCertificate", "Manufacturer"
    V2G_ROOT = "V2GRootCertificate", "V2G root"
    MO_ROOT = "MORootCertificate", "Mobility operator"
    OEM_ROOT = "OEMRootCertificate", "Vehicle maker"
    V2G_CHAIN = "V2GCertificateChain", "The charger's own, for vehicles"


class DriftState(models.TextChoices):
    """Why a configuration key is not, or not known to be, as it should be."""

    DIFFERS = "differs", "Differs"
    HIDDEN = "hidden", "Secret, not known to be set"
    REFUSED = "refused", "Refused by the charger"
    READ_ONLY = "read_only", "Read-only"
    UNKNOWN = "unknown", "Unknown to the charger"
    UNREAD = "unread", "Not read yet"
    UNDER_WAY = "under_way", "Being set"
    REBOOT = "reboot", "Waits for a reboot"


class UpgradeStatus(models.TextChoices):
    """Life of an upgrade to a higher security profile."""

    REQUESTED = "requested", "Asked of the charger"
    WAITING = "waiting", "Waiting for its first connection"
    FELL_BACK = "fell_back", "Came back with the old profile"
    DONE = "done", "Done"
    REJECTED = "rejected", "Refused by the charger"
    CANCELLED = "cancelled", "Cancelled"


OPEN_UPGRADE_STATUSES = frozenset({UpgradeStatus.REQUESTED, UpgradeStatus.WAITING, UpgradeStatus.FELL_BACK})


class FirmwareState(models.TextChoices):
    """Life of an update at one charger."""

    WAITING = "waiting", "Waiting"
    QUEUED = "queued", "Being asked"
    UNKNOWN = "unknown", "No answer"
    ORDERED = "ordered", "Ordered"
    DOWNLOADING = "downloading", "Downloading"
    DOWNLOADED = "downloaded", "Downloaded"
    INSTALLING = "installing", "Installing"
    INSTALLED = "installed", "Installed"
    VERIFIED = "verified", "Verified"
    WRONG_VERSION = "wrong_version", "Wrong version"
    FAILED = "failed", "Failed"
    TIMED_OUT = "timed_out", "Timed out"
    EXPIRED = "expired", "Not begun in time"
    CANCELLED = "cancelled", "Cancelled"


#: What counts as a failure of a campaign, and may be tried again.
BAD_FIRMWARE_STATES = frozenset(
    {FirmwareState.WRONG_VERSION, FirmwareState.FAILED, FirmwareState.TIMED_OUT, FirmwareState.EXPIRED}
)


class CampaignState(models.TextChoices):
    """Life of a firmware campaign."""

    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    FINISHED = "finished", "Finished"
    CANCELLED = "cancelled", "Cancelled"


class SignatureState(models.TextChoices):
    """What we know of a firmware file's signature."""

    NONE = "", "Not signed"
    UNCHECKED = "unchecked", "Signed, not checked"
    VALID = "valid", "Signature is right"
    INVALID = "invalid", "Signature is wrong"


class LogKind(models.TextChoices):
    """What a charger is asked to upload: GetDiagnostics, or a log type of GetLog."""

    DIAGNOSTICS = "diagnostics", "Diagnostics"
    DIAGNOSTICS_LOG = "DiagnosticsLog", "Diagnostics log"
    SECURITY_LOG = "SecurityLog", "Security log"
    DATA_COLLECTOR_LOG = "DataCollectorLog", "Data collector's log (OCPP 2.1)"


class LogState(models.TextChoices):
    """Life of an upload."""

    QUEUED = "queued", "Being asked"
    REQUESTED = "requested", "Asked"
    UPLOADING = "uploading", "Uploading"
    UPLOADED = "uploaded", "Uploaded"
    NOTHING = "nothing", "Nothing to upload"
    FAILED = "failed", "Failed"
    EXPIRED = "expired", "Never came"
    CANCELLED = "cancelled", "Cancelled"


class DisplayPriority(models.TextChoices):
    """MessagePriorityEnumType (2.0.1 part 2)."""

    ALWAYS_FRONT = "AlwaysFront", "Always in front: nothing else is shown"
    IN_FRONT = "InFront", "In front of the normal messages"
    NORMAL = "NormalCycle", "In turn with the normal messages"


class DisplayState(models.TextChoices):
    """MessageStateEnumType (2.0.1 part 2; the last two came with 2.1)."""

    CHARGING = "Charging", "Charging"
    FAULTED = "Faulted", "Faulted"
    IDLE = "Idle", "Idle"
    UNAVAILABLE = "Unavailable", "Out of service"
    SUSPENDED = "Suspended", "Suspended (OCPP 2.1)"
    DISCHARGING = "Discharging", "Discharging (OCPP 2.1)"


class DisplayFormat(models.TextChoices):
    """MessageFormatEnumType (2.0.1 part 2; the last one came with 2.1)."""

    UTF8 = "UTF8", "Text"
    ASCII = "ASCII", "Text in ASCII"
    HTML = "HTML", "HTML"
    URI = "URI", "Address of a page or picture"
    QRCODE = "QRCODE", "QR code of this text (OCPP 2.1)"


class ShownState(models.TextChoices):
    """How a message stands on one charger."""

    DUE = "due", "To be sent"
    SENDING = "sending", "Sending"
    HELD = "held", "On the charger"
    REFUSED = "refused", "Refused"
    CLEARING = "clearing", "To be removed"
    ENDED = "ended", "Ended"
    FOREIGN = "foreign", "Not from here"


class ReadingState(models.TextChoices):
    """How far a charger has come with telling what it holds."""

    OPEN = "open", "Arriving"
    COMPLETE = "complete", "Complete"
    INCOMPLETE = "incomplete", "Incomplete"


class DerControlState(models.TextChoices):
    """Whether a charger has a control for the grid."""

    HELD = "held", "On the charger"
    ENDED = "ended", "Over"
    CLEARED = "cleared", "Removed"
    GONE = "gone", "No longer told"


class DerEventKind(models.TextChoices):
    """What a charger reports of its controls for the grid."""

    ALARM = "alarm", "Alarm"
    ALARM_ENDED = "alarm_ended", "Alarm ended"
    STARTED = "started", "Control began"
    STOPPED = "stopped", "Control ended"


class BatterySwapState(models.TextChoices):
    """How far a swap of batteries has come."""

    REQUESTED = "requested", "Asked for"
    REFUSED = "refused", "Refused by the station"
    BROUGHT = "brought", "Batteries brought"
    DONE = "done", "Swapped"
    NOT_TAKEN = "not_taken", "Not taken out"
    TAKEN = "taken", "Taken, none brought"


class BatteryDirection(models.TextChoices):
    """BatterySwapEventEnumType (2.1 part 2)."""

    IN = "in", "Brought"
    OUT = "out", "Taken"
    OFFERED = "offered", "Offered, not taken"
