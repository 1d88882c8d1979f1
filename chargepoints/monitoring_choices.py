"""Words of monitors and events of chargers (OCPP 2.x, block N)."""

from __future__ import annotations

from django.db import models


class MonitorType(models.TextChoices):
    """MonitorEnumType of OCPP 2.x; 2.1 adds the last two."""

    UPPER_THRESHOLD = "UpperThreshold", "Above a value"
    LOWER_THRESHOLD = "LowerThreshold", "Below a value"
    DELTA = "Delta", "Change by a value"
    PERIODIC = "Periodic", "Every so many seconds"
    PERIODIC_CLOCK_ALIGNED = "PeriodicClockAligned", "Every so many seconds, by the clock"
    TARGET_DELTA = "TargetDelta", "Away from its target by a value"
    TARGET_DELTA_RELATIVE = "TargetDeltaRelative", "Away from its target by a part of it"


class MonitorKind(models.TextChoices):
    """EventNotificationEnumType of OCPP 2.x: who made the monitor."""

    HARD_WIRED_NOTIFICATION = "HardWiredNotification", "Built in, no monitor"
    HARD_WIRED = "HardWiredMonitor", "Built in"
    PRECONFIGURED = "PreconfiguredMonitor", "Set by the manufacturer"
    CUSTOM = "CustomMonitor", "Set by us"
    UNKNOWN = "", "Not known"


class MonitoringBase(models.TextChoices):
    """MonitoringBaseEnumType of OCPP 2.x."""

    ALL = "All", "All that the manufacturer offers; ours stay"
    FACTORY_DEFAULT = "FactoryDefault", "As delivered; ours are deleted"
    HARD_WIRED_ONLY = "HardWiredOnly", "Built-in ones only; ours are deleted"


class EventState(models.TextChoices):
    """Whether what an event of a charger reports goes on."""

    MOMENT = "moment", "Moment"
    OPEN = "open", "Goes on"
    ENDED = "ended", "Over"


class ReportState(models.TextChoices):
    """Life of something that a charger was asked to report in parts."""

    REQUESTED = "requested", "Asked"
    ARRIVING = "arriving", "Arriving"
    COMPLETE = "complete", "Complete"
    EMPTY = "empty", "Nothing to report"
    REFUSED = "refused", "Refused"
    INCOMPLETE = "incomplete", "Incomplete"
