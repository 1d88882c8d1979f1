"""TransactionEvent: when a transaction starts and ends, and what is told in between (2.0.1 part 2, block E)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocpp_gateway.simulator.answers import Payload
from ocpp_gateway.simulator.connector import Connector
from ocpp_gateway.simulator.outbox import Entry
from ocpp_gateway.simulator.v201.metering import meter_value
from ocpp_gateway.simulator.v201.sessions import ENDS, STEPS, STOPPED, UNPLUGGED, Session201
from ocpp_gateway.wire.timestamps import format_timestamp

if TYPE_CHECKING:
    from ocpp_gateway.simulator.v201.charge_point import ChargePoint201

MAX_KEPT = 500
#: The part of the device model that says what a reading holds, by its context.
_MEASURANDS = {"Transaction.Begin": "TxStartedMeasurands", "Transaction.End": "TxEndedMeasurands"}


@dataclass(eq=False, kw_only=True)
class Event(Entry):
    """A TransactionEvent that waits for its acknowledgement."""

    session: Session201

    @property
    def kind(self) -> str:
        return str(self.payload["eventType"])


class Events:
    """Makes the events of one charge point."""

    def __init__(self, cp: ChargePoint201) -> None:
        self._cp = cp

    # ---------------------------------------------------------------- beginning and end
    def begin(self, session: Session201) -> Entry:
        """All that happens until energy flows; returns the last event of it that is sent."""
        cp, last = self._cp, None
        steps = list(STEPS)
        if "cable-first" in cp.station.quirks and session.remote is None:
            steps[1], steps[2] = steps[2], steps[1]
        starts_at = set(cp.device.items("TxCtrlr", "TxStartPoint")) or {"PowerPathClosed"}
        for fact, trigger in steps:
            session.facts.add(fact)
            session.charging_state = self._state(session)
            if fact == "Authorized" and session.remote is not None:
                trigger = "RemoteStart"
            if session.is_begun:
                if fact in ("Authorized", "EVConnected", "EnergyTransfer"):
                    last = self.queue(session, "Updated", trigger) or last
            elif fact in starts_at:
                last = self.queue(session, "Started", trigger)
        if not session.is_begun:
            last = self.queue(session, "Started", "ChargingStateChanged")
        assert last is not None
        return last

    @staticmethod
    def _state(session: Session201) -> str:
        if "EnergyTransfer" in session.facts:
            return "Charging"
        return "EVConnected" if "EVConnected" in session.facts else "Idle"

    def stop(self, session: Session201, id_tag: str | None) -> None:
        """Charging has stopped: the end of the transaction, or an event on the way to it."""
        trigger, _ = ENDS.get(session.reason, ENDS["Local"])
        lost = set(STOPPED)
        if session.reason in ("EVDisconnected", "PowerLoss", "ImmediateReset", "Reboot"):
            lost |= UNPLUGGED
        session.facts -= lost
        session.charging_state = self._state(session)
        if lost & set(self._cp.device.items("TxCtrlr", "TxStopPoint")) or lost >= UNPLUGGED:
            self._end(session, trigger, id_tag)
        else:
            self.queue(session, "Updated", trigger, id_tag=id_tag)

    def unplug(self, session: Session201) -> None:
        """The cable is out: now at the latest the transaction is over."""
        if not session.is_over:
            session.facts.clear()
            session.charging_state = "Idle"
            self._end(session, "EVCommunicationLost", None)

    def _end(self, session: Session201, trigger: str, id_tag: str | None) -> None:
        session.is_over = True
        self.queue(session, "Ended", trigger, id_tag=id_tag)

    # ---------------------------------------------------------------- one event
    def queue(
        self,
        session: Session201,
        kind: str,
        trigger: str,
        *,
        id_tag: str | None = None,
        context: str = "",
        values: list[Payload] | None = None,
        **info: object,
    ) -> Event | None:
        """Queue an event; None when it gets lost for ever, as some Updated events do.

        context  of the reading that it carries, if it is neither the first nor the last
        info     more of transactionInfo
        """
        cp = self._cp
        number, now = session.take_seq(), cp.clock.now()
        if kind == "Started":
            session.started_at = now
        elif kind == "Ended":
            session.stopped_at = now
        is_first, session.is_begun = not session.is_begun, True
        readings = self._readings(session, kind, context) if values is None else values
        payload: Payload = {
            "eventType": kind,
            "timestamp": format_timestamp(now),
            "triggerReason": trigger,
            "seqNo": 0 if "seq-zero" in cp.station.quirks else number,
            "transactionInfo": self._info(session, kind, **info),
        }
        if not (cp.online and cp.accepted):
            payload["offline"] = True
        if is_first or "sparse" not in cp.station.quirks:
            payload["evse"] = {"id": session.connector, "connectorId": session.cable}
        if (token := self._token(session, trigger, id_tag, is_first=is_first)) is not None:
            payload["idToken"] = token
        if is_first and session.reservation_id is not None:
            payload["reservationId"] = session.reservation_id
        if readings:
            payload["meterValue"] = readings
        payload |= cp.event_extras(session, kind)
        if kind == "Updated" and cp.faults.is_dropped("TransactionEvent"):
            cp.stats.faults["lost_events"] += 1
            return None
        event = Event(action="TransactionEvent", payload=payload, session=session)
        cp.outbox.put(event)
        return event

    def _info(self, session: Session201, kind: str, **more: object) -> Payload:
        info: Payload = {"transactionId": session.transaction_id, "chargingState": session.charging_state}
        if kind == "Ended":
            info["stoppedReason"] = ENDS.get(session.reason, ENDS["Local"])[1]
        if session.remote is not None:
            info["remoteStartId"] = session.remote.remote_start_id
        return info | self._cp.event_info(session, kind) | more

    def _token(
        self, session: Session201, trigger: str, id_tag: str | None, *, is_first: bool
    ) -> Payload | None:
        """The token stands in the events of its being presented (E03.FR.01)."""
        if id_tag is not None:
            return {"idToken": id_tag, "type": session.token_type}
        was_shown = trigger in ("Authorized", "RemoteStart")
        if is_first and "Authorized" in session.facts and not was_shown:
            return session.token()
        if was_shown and (is_first or "sparse" not in self._cp.station.quirks):
            return session.token()
        return None

    # ---------------------------------------------------------------- readings
    def _readings(self, session: Session201, kind: str, context: str) -> list[Payload]:
        if kind == "Started":
            return self._some(self.reading(session, "Transaction.Begin"))
        if kind == "Ended":
            kept = session.kept
            session.kept = []
            return [*kept, *self._some(self.reading(session, "Transaction.End"))]
        return self._some(self.reading(session, context)) if context else []

    @staticmethod
    def _some(value: Payload | None) -> list[Payload]:
        return [] if value is None else [value]

    def reading(self, session: Session201, context: str) -> Payload | None:
        """The meter of a session as it stands now."""
        part = "AlignedDataCtrlr" if context == "Sample.Clock" else "SampledDataCtrlr"
        name = "Measurands" if context == "Sample.Clock" else _MEASURANDS.get(context, "TxUpdatedMeasurands")
        is_signed = context.startswith("Transaction.") and self._cp.device.flag(part, "SignReadings")
        plug = self._cp.connectors[session.connector]
        register = plug.meter.register_wh
        if context == "Transaction.Begin":
            register = session.meter_start_wh
        elif session.meter_stop_wh is not None:
            register = session.meter_stop_wh
        return self.value(plug, register, self._cp.device.items(part, name), context, is_signed=is_signed)

    def value(
        self,
        plug: Connector,
        register_wh: int,
        measurands: Iterable[str],
        context: str,
        *,
        is_signed: bool = False,
    ) -> Payload | None:
        """A reading of an EVSE."""
        cp, now = self._cp, self._cp.clock.now()
        power = plug.power_w(now, limit_w=cp.limit_w(plug))
        cp.show_power(plug, power)
        return meter_value(
            at=now,
            register_wh=register_wh,
            power_w=power,
            soc=plug.soc(),
            measurands=list(measurands),
            context=context,
            serial=f"{cp.station.identity[:20]}-{plug.number}" if is_signed else "",
        )

    def keep(self, session: Session201, reading: Payload | None) -> None:
        """Note a reading for the Ended event."""
        if reading is not None and len(session.kept) < MAX_KEPT:
            session.kept.append(reading)
