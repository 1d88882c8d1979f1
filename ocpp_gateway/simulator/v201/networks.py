"""Network profiles of a simulated charge point (2.0.1 part 2, B09 and B10)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ocpp_gateway.simulator.answers import Answer, Payload, status
from ocpp_gateway.simulator.v201.device_model import Component

if TYPE_CHECKING:
    from ocpp_gateway.simulator.v201.charge_point import ChargePoint201

SLOTS = range(1, 4)


class Networks:
    """Where the charge point may connect; slot 1 is what it was delivered with."""

    def __init__(self, cp: ChargePoint201) -> None:
        self._cp = cp
        self.slots: dict[int, tuple[str, int]] = {1: (cp.station.url, cp.station.profile)}
        self.active = 1

    def refusal(self, priority: str) -> str | None:
        """A priority may name only slots that hold something (B10.FR.06)."""
        named = [part.strip() for part in priority.split(",")]
        is_good = all(part.isdecimal() and int(part) in self.slots for part in named)
        return None if is_good else "InvalidValue"

    def order(self) -> list[int]:
        named = self._cp.device.items("OCPPCommCtrlr", "NetworkConfigurationPriority")
        return [int(part) for part in named if int(part) in self.slots] or [1]

    def apply(self, slot: int | None = None) -> None:
        """Use the profile that goes first, or a certain one, from the next connection on."""
        cp, chosen = self._cp, slot or self.order()[0]
        url, profile = self.slots[chosen]
        self.active = chosen
        cp.station = replace(cp.station, url=url)
        cp.profile = profile
        cp.show_profile(profile)
        cp.device.put(Component("OCPPCommCtrlr"), "ActiveNetworkProfile", str(chosen))

    def next_after_failures(self, failures: int) -> None:
        """After so many tries in vain, go to the next profile of the priority (B10.FR.03)."""
        attempts = self._cp.device.integer("OCPPCommCtrlr", "NetworkProfileConnectionAttempts")
        order = self.order()
        if len(order) < 2 or failures % attempts:
            return
        position = order.index(self.active) if self.active in order else -1
        self.apply(order[(position + 1) % len(order)])


def set_network_profile(cp: ChargePoint201, payload: Payload) -> Answer:
    slot, data = int(payload["configurationSlot"]), payload["connectionData"]
    url, profile = str(data["ocppCsmsUrl"]), int(data["securityProfile"])
    if slot not in SLOTS or data["ocppTransport"] != "JSON":
        return _rejected("InvalidValue")
    if not url.startswith(("ws://", "wss://")):
        return _rejected("InvalidURL")
    if profile < cp.profile:  # never to a lower one (B09.FR.04)
        return _rejected("NoSecurityDowngrade")
    if slot == cp.networks.active and url != cp.station.url:
        return _rejected("InvalidValue")
    cp.networks.slots[slot] = (url, profile)
    return status("Accepted")


def _rejected(reason: str) -> Answer:
    return Answer({"status": "Rejected", "statusInfo": {"reasonCode": reason}})


HANDLERS = {"SetNetworkProfile": set_network_profile}
