"""One connector of a simulated charge point: its status, its meter, the session on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from ocpp_gateway.simulator.clock import Timer
from ocpp_gateway.simulator.meter import EnergyMeter, Load
from ocpp_gateway.simulator.outbox import Session


@dataclass
class Reservation:
    """A reservation that the CSMS made (OCPP 1.6 §5.13)."""

    reservation_id: int
    id_tag: str
    parent_id_tag: str | None
    expiry: Timer

    def serves(self, id_tag: str) -> bool:
        return id_tag.lower() in (self.id_tag.lower(), (self.parent_id_tag or self.id_tag).lower())


@dataclass
class Connector:
    """State of a connector; number 0 is the charge point itself and has no meter of its own.

    status     what it should be known as; `reported` is what the CSMS last acknowledged
    operative  False once ChangeAvailability(Inoperative) was accepted, even while a session still runs
    claimed    somebody is about to start here
    leaving    2.x: a session that has stopped, until its cable is out
    closed     2.x: connectors of the EVSE that were made inoperative by themselves
    """

    number: int
    status: str = "Available"
    reported: str = ""
    error_code: str = "NoError"
    operative: bool = True
    claimed: bool = False
    session: Session | None = None
    leaving: Session | None = None
    closed: set[int] = field(default_factory=set)
    load: Load | None = None
    reservation: Reservation | None = None
    meter: EnergyMeter = field(default_factory=EnergyMeter)

    @property
    def idle_status(self) -> str:
        """The status without a car."""
        if self.error_code != "NoError":
            return "Faulted"
        if not self.operative:
            return "Unavailable"
        return "Available" if self.reservation is None else "Reserved"

    @property
    def is_free(self) -> bool:
        """A driver who just comes along may plug in here."""
        return self.status == "Available" and self.can_start("")

    def can_start(self, id_tag: str) -> bool:
        """Say whether a session with this tag may begin now."""
        if self.number == 0 or self.session is not None or self.claimed or not self.operative:
            return False
        if self.error_code != "NoError":
            return False
        return self.reservation is None or self.reservation.serves(id_tag)

    def draw(self, until: datetime, *, limit_w: int | None) -> None:
        """Bring the meter up to a time if a car is charging."""
        if self.load is not None:
            self.load.draw(self.meter, until, limit_w=limit_w)

    def power_w(self, at: datetime, *, limit_w: int | None) -> int:
        return 0 if self.load is None else self.load.power_at(at, limit_w=limit_w)

    def soc(self) -> int | None:
        """State of charge of the car, None where nothing is known about it."""
        if self.load is None or self.session is None:
            return None
        return self.load.soc(self.meter.register_wh - self.session.meter_start_wh)
