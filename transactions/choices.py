"""Enumerations of sessions."""

from django.db import models


class TransactionState(models.TextChoices):
    """Whether a session runs."""

    ACTIVE = "active", "Active"
    ENDED = "ended", "Ended"


class EndKind(models.TextChoices):
    """What ended a session."""

    CHARGER = "charger", "Stopped by the charger"
    SUPERSEDED = "superseded", "Superseded: the next session started and no stop came"
    OPERATOR = "operator", "Closed by hand"
    RULE = "rule", "Closed by the stale-session rule"
    ORPHAN = "orphan", "Orphan stop: the start was never delivered"


class EventKind(models.TextChoices):
    """TransactionEventEnumType of OCPP 2.0.1 §3.90."""

    STARTED = "Started", "Started"
    UPDATED = "Updated", "Updated"
    ENDED = "Ended", "Ended"


class Flag(models.TextChoices):
    """Something about a session that somebody should look at; none blocks billing."""

    METER_ANOMALY = "meter_anomaly", "Meter ran backwards or was reset"
    METER_START_PLACEHOLDER = "meter_start_placeholder", "Meter start looks like a placeholder"
    METER_STOP_IMPLAUSIBLE = "meter_stop_implausible", "Meter stop is more than the time allows"
    METER_UNREADABLE = "meter_unreadable", "A meter register cannot be used"
    CLOCK_ANOMALY = "clock_anomaly", "Charger's clock was wrong"
    STOP_BEFORE_START = "stop_before_start", "Ends before it starts"
    POSSIBLE_DUPLICATE = "possible_duplicate", "May be a duplicate"
    CONFLICTING_STOP = "conflicting_stop", "A second, different stop arrived"
    LATE_STOP = "late_stop", "The stop came after the session was closed"
    STALE = "stale", "Open for too long"
    REFUSED_TOKEN = "refused_token", "Token was refused"
    ORPHAN_STOP = "orphan_stop", "Stop without a start"
    REPAIRED = "repaired", "A message had to be repaired"
    OFFLINE = "offline", "Delivered after an offline period"
    EVENTS_MISSING = "events_missing", "Events of the charger are missing"
    PRICING_FAILED = "pricing_failed", "Could not be priced"
    COST_DIFFERS = "cost_differs", "The charger calculated another cost"


class StopReason(models.TextChoices):
    """Reason of OCPP 1.6 §7.35 and ReasonEnumType of 2.x."""

    DE_AUTHORIZED = "DeAuthorized", "Deauthorized"
    EMERGENCY_STOP = "EmergencyStop", "Emergency stop"
    EV_DISCONNECTED = "EVDisconnected", "Vehicle disconnected"
    HARD_RESET = "HardReset", "Hard reset"
    LOCAL = "Local", "Local"
    OTHER = "Other", "Other"
    POWER_LOSS = "PowerLoss", "Power loss"
    REBOOT = "Reboot", "Reboot"
    REMOTE = "Remote", "Remote"
    SOFT_RESET = "SoftReset", "Soft reset"
    UNLOCK_COMMAND = "UnlockCommand", "Unlock command"
    ENERGY_LIMIT_REACHED = "EnergyLimitReached", "Energy limit reached"
    GROUND_FAULT = "GroundFault", "Ground fault"
    IMMEDIATE_RESET = "ImmediateReset", "Immediate reset"
    MASTER_PASS = "MasterPass", "Master pass"
    OVERCURRENT_FAULT = "OvercurrentFault", "Overcurrent"
    POWER_QUALITY = "PowerQuality", "Power quality"
    SOC_LIMIT_REACHED = "SOCLimitReached", "State of charge reached"
    STOPPED_BY_EV = "StoppedByEV", "Stopped by vehicle"
    TIME_LIMIT_REACHED = "TimeLimitReached", "Time limit reached"
    TIMEOUT = "Timeout", "Not plugged in in time"
    LOCAL_OUT_OF_CREDIT = "LocalOutOfCredit", "Out of credit"
    REQ_ENERGY_TRANSFER_REJECTED = "ReqEnergyTransferRejected", "Energy transfer mode refused"


class PaymentStatus(models.TextChoices):
    """PaymentStatusEnumType of OCPP 2.1."""

    SETTLED = "Settled", "Settled"
    CANCELED = "Canceled", "Cancelled: nothing was charged"
    REJECTED = "Rejected", "Rejected by the payment provider"
    FAILED = "Failed", "Failed for technical reasons"


class WebPaymentState(models.TextChoices):
    """Where a payment on the web stands."""

    STARTED = "started", "At the payment page"
    AUTHORIZED = "authorized", "Authorized, the charger is asked to start"
    CHARGING = "charging", "Charging"
    SETTLED = "settled", "Settled"
    CANCELLED = "cancelled", "Cancelled"
    FAILED = "failed", "Failed"


class LedgerKind(models.TextChoices):
    """What a ledger line explains."""

    START = "start", "Started"
    AUTHORIZATION = "authorization", "Authorization"
    TARIFF = "tariff", "Tariff chosen"
    STOP = "stop", "Stopped"
    ENERGY = "energy", "Energy"
    COST = "cost", "Cost"
    ANOMALY = "anomaly", "Anomaly"
    CLOSED = "closed", "Closed"
    RECOMPUTED = "recomputed", "Recomputed"
    NOTE = "note", "Note"
