"""Enumerations of people, tokens and tenants."""

from django.db import models


class Role(models.TextChoices):
    """What a member of a tenant may do; the table is in `accounts.permissions`."""

    OWNER = "owner", "Owner"
    OPERATOR = "operator", "Operator"
    TECHNICIAN = "technician", "Technician"
    SUPPORT = "support", "Support"
    VIEWER = "viewer", "Viewer"


class TokenType(models.TextChoices):
    """IdTokenEnumType of OCPP 2.0.1 §3.43; OCPP 1.6 idTags are ISO14443.

    From OCPP 2.1 on a type is any text of up to 20 characters: these are those that have a meaning to us.
    """

    CENTRAL = "Central", "Central"
    EMAID = "eMAID", "eMAID"
    ISO14443 = "ISO14443", "ISO14443 (RFID)"
    ISO15693 = "ISO15693", "ISO15693 (RFID)"
    KEY_CODE = "KeyCode", "Key code"
    LOCAL = "Local", "Local"
    MAC_ADDRESS = "MacAddress", "MAC address"
    NO_AUTHORIZATION = "NoAuthorization", "No authorization"
    DIRECT_PAYMENT = "DirectPayment", "Payment card (OCPP 2.1)"
    EVCCID = "EVCCID", "EVCCID of a vehicle (OCPP 2.1)"
    VIN = "VIN", "VIN of a vehicle (OCPP 2.1)"


class TokenStatus(models.TextChoices):
    """What an operator sets; Expired is derived from `expires_at`."""

    ACCEPTED = "Accepted", "Accepted"
    BLOCKED = "Blocked", "Blocked"


class AuthorizationStatus(models.TextChoices):
    """Answer to a token (OCPP 1.6 §7.2; 2.0.1 §3.4, which tells more of them apart)."""

    ACCEPTED = "Accepted", "Accepted"
    BLOCKED = "Blocked", "Blocked"
    EXPIRED = "Expired", "Expired"
    INVALID = "Invalid", "Invalid"
    CONCURRENT_TX = "ConcurrentTx", "Concurrent transaction"
    NO_CREDIT = "NoCredit", "No credit"
    NOT_ALLOWED_TYPE_EVSE = "NotAllowedTypeEVSE", "Not at EVSEs of this type"
    NOT_AT_THIS_LOCATION = "NotAtThisLocation", "Not at this location"
    NOT_AT_THIS_TIME = "NotAtThisTime", "Not at this time"


class OnboardingMode(models.TextChoices):
    """What happens when a charger with an unknown identity connects."""

    CLOSED = "closed", "Closed: refuse with 404 and list it"
    PENDING = "pending", "Pending: register as Pending until an operator accepts"
    ACCEPT = "accept", "Auto-accept: register and accept (insecure)"


class AuthorizationMode(models.TextChoices):
    """Who may charge."""

    TOKEN = "token", "Known tokens"
    ANY_TOKEN = "any_token", "Any token"


class PricingMode(models.TextChoices):
    """Whether sessions are priced."""

    TARIFF = "tariff", "By tariff"
    FREE = "free", "Free of charge"


class SigningPolicy(models.TextChoices):
    """What happens to a charger's request for a certificate."""

    AUTOMATIC = "automatic", "Sign what is right by itself"
    APPROVAL = "approval", "Sign after a person's approval"
    NEVER = "never", "Never sign"


class AlertSeverity(models.TextChoices):
    """Which security events call for a person."""

    CRITICAL = "critical", "Critical ones"
    ALL = "all", "All"
    NONE = "none", "None but those named"


class EventSeverity(models.IntegerChoices):
    """Severity of events of chargers (OCPP 2.0.1 part 2, MonitoringDataType): 0 is the gravest."""

    DANGER = 0, "0 Danger"
    HARDWARE_FAILURE = 1, "1 Hardware failure"
    SYSTEM_FAILURE = 2, "2 System failure"
    CRITICAL = 3, "3 Critical"
    ERROR = 4, "4 Error"
    ALERT = 5, "5 Alert"
    WARNING = 6, "6 Warning"
    NOTICE = 7, "7 Notice"
    INFORMATIONAL = 8, "8 Informational"
    DEBUG = 9, "9 Debug"
