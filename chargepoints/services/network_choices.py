"""Which network profile brings a charger of 2.x to another security profile (2.0.1 A05, B09)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from chargepoints import commands, errors, network_upgrades
from chargepoints.choices import SecurityProfile
from chargepoints.models import ChargePoint
from chargepoints.selectors import find_variable

INTERFACE = "Wired0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The network profile that brings a new security profile.

    slots  those that the charger uses now, the first first
    """

    slot: int
    url: str
    interface: str
    slots: tuple[str, ...] = ()

    @property
    def priority(self) -> str:
        """The slots in their new order: those before stay, and the charger removes them itself (2.1 A05.FR.06)."""
        return ",".join([str(self.slot), *(slot for slot in self.slots if slot != str(self.slot))])


def takes_network_profiles(charge_point: ChargePoint) -> bool:
    """Whether the version that the charger speaks has them; one that never came may speak any."""
    if not charge_point.ocpp_version:
        return False
    sample = {"slot": 1, "url": "wss://example.com", "security_profile": "3", "interface": INTERFACE}
    try:
        commands.check_order(charge_point, network_upgrades.PROFILE, sample)
    except errors.InvalidPayload:
        return False
    return True


def network_of(
    charge_point: ChargePoint, *, target: int, slot: int | None = None, url: str = "", interface: str = ""
) -> Network:
    """The network profile for an upgrade: what is left out comes from the device model and the settings."""
    row = find_variable(charge_point, network_upgrades.PRIORITY_KEY)
    used = _numbers(row.value if row is not None else None)
    if slot is None:
        possible = _numbers(row.values_list if row is not None else None)
        free = [number for number in possible if number not in used]
        slot = int(free[0]) if free else max((int(number) for number in used), default=0) + 1
    return Network(
        slot=slot, url=url.strip() or own_address(target), interface=interface or INTERFACE, slots=tuple(used)
    )


def own_address(target: int) -> str:
    """Where chargers reach this system by its settings; "" where they do not say."""
    host = urlsplit(settings.PUBLIC_URL).netloc if settings.PUBLIC_URL else ""
    scheme = "wss" if target >= SecurityProfile.TLS_BASIC else "ws"
    return f"{scheme}://{host}/ocpp" if host else ""


def _numbers(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip().isdecimal()][:20]
