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


class RefusalReason(models.TextChoices):
    """Why a handshake was refused."""

    UNKNOWN_IDENTITY = "unknown_identity", "Unknown identity"
    BAD_IDENTITY = "bad_identity", "Unusable identity"
    NO_CREDENTIALS = "no_credentials", "No key sent"
    WRONG_KEY = "wrong_key", "Wrong key"
    NO_KEY_SET = "no_key_set", "No key set for this charger"
    SUBPROTOCOL = "subprotocol", "No common OCPP version"
    SECURITY_PROFILE = "security_profile", "Security profile not met"
    ARCHIVED = "archived", "Charger is archived"
    TOO_MANY_ATTEMPTS = "too_many_attempts", "Too many attempts"


class StatusReportKind(models.TextChoices):
    """Which notification reported."""

    FIRMWARE = "firmware", "Firmware update"
    DIAGNOSTICS = "diagnostics", "Diagnostics upload"
    LOG = "log", "Log upload"
    SIGNED_FIRMWARE = "signed_firmware", "Signed firmware update"


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
