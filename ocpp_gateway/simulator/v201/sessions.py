"""Sessions of 2.x: a transaction as a chain of numbered events (2.0.1 part 2, block E)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ocpp_gateway.simulator.answers import Payload
from ocpp_gateway.simulator.outbox import Session

#: Of a token whose type nobody has told.
DEFAULT_TYPE = "ISO14443"

#: Why a session ended, in the words of all versions → triggerReason and stoppedReason.
ENDS = {
    "Local": ("StopAuthorized", "Local"),
    "Remote": ("RemoteStop", "Remote"),
    "EVDisconnected": ("EVCommunicationLost", "EVDisconnected"),
    "DeAuthorized": ("Deauthorized", "DeAuthorized"),
    "MasterPass": ("StopAuthorized", "MasterPass"),
    "ImmediateReset": ("ResetCommand", "ImmediateReset"),
    "Reboot": ("ResetCommand", "Reboot"),
    "UnlockCommand": ("UnlockCommand", "Other"),
    "PowerLoss": ("AbnormalCondition", "PowerLoss"),
    "EmergencyStop": ("AbnormalCondition", "EmergencyStop"),
    "EnergyLimitReached": ("EnergyLimitReached", "EnergyLimitReached"),
    "TimeLimitReached": ("TimeLimitReached", "TimeLimitReached"),
    "SoCLimitReached": ("SoCLimitReached", "SOCLimitReached"),  # the last two are triggers of 2.1
    "CostLimitReached": ("CostLimitReached", "LocalOutOfCredit"),
    "Timeout": ("EVConnectTimeout", "Timeout"),
}

#: What holds at the start of charging, in this order, and what tells of it.
STEPS = (
    ("ParkingBayOccupancy", "EVDetected"),
    ("Authorized", "Authorized"),
    ("EVConnected", "CablePluggedIn"),
    ("DataSigned", "SignedDataReceived"),
    ("PowerPathClosed", "ChargingStateChanged"),
    ("EnergyTransfer", "ChargingStateChanged"),
)
#: What no longer holds once charging has stopped, and what only when the cable is out.
STOPPED = frozenset({"Authorized", "DataSigned", "PowerPathClosed", "EnergyTransfer"})
UNPLUGGED = frozenset({"EVConnected", "ParkingBayOccupancy"})


@dataclass(frozen=True, kw_only=True)
class RemoteStart:
    """A start that the CSMS has asked for."""

    remote_start_id: int
    token_type: str
    group: str = ""


@dataclass(eq=False, kw_only=True)
class Session201(Session):
    """A session with what 2.x knows more; its id is its own from the beginning.

    cable      connector within the EVSE
    next_seq   number of the next event
    facts      which of the start points hold
    kept       readings for the Ended event (TxEndedInterval)
    """

    cable: int = 1
    token_type: str = DEFAULT_TYPE
    remote: RemoteStart | None = None
    next_seq: int = 0
    facts: set[str] = field(default_factory=set)
    is_begun: bool = False
    is_over: bool = False
    is_paused_by_reset: bool = False
    charging_state: str = "Idle"
    kept: list[Payload] = field(default_factory=list)
    cost: float | None = None
    more: dict[str, Any] = field(default_factory=dict)

    def take_seq(self) -> int:
        """The number of the next event."""
        number, self.next_seq = self.next_seq, self.next_seq + 1
        return number

    def token(self) -> Payload:
        return {"idToken": self.id_tag, "type": self.token_type}
