"""A simulated charge point in the words of OCPP 1.6."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ocpp_gateway.simulator.answers import Answer, Payload
from ocpp_gateway.simulator.charge_point import ChargePoint
from ocpp_gateway.simulator.connector import Connector
from ocpp_gateway.simulator.meter import sampled_values
from ocpp_gateway.simulator.outbox import Entry, InvalidAnswer, Session
from ocpp_gateway.simulator.rpc import CallFailed, NoAnswer
from ocpp_gateway.simulator.station import Station
from ocpp_gateway.simulator.v16 import commands
from ocpp_gateway.simulator.v16.configuration import Configuration
from ocpp_gateway.wire.errors import V16
from ocpp_gateway.wire.timestamps import format_timestamp, parse_timestamp


@dataclass(eq=False, kw_only=True)
class Entry16(Entry):
    """A transaction-related message; its transaction gets its number from the answer to the first one."""

    def content(self) -> Payload:
        if self.action == "StartTransaction" or self.session.transaction_id is None:
            return self.payload
        return {**self.payload, "transactionId": self.session.transaction_id}


class ChargePoint16(ChargePoint):
    """A charge point of OCPP 1.6; its settings are `configuration`."""

    version = V16

    def prepare(self, station: Station) -> None:
        self.configuration = Configuration(
            connectors=station.connectors,
            meter_interval_s=station.meter_interval_s,
            transaction_data=station.transaction_data,
        )

    # ---------------------------------------------------------------- settings
    @property
    def retry_s(self) -> float:
        return self.configuration.integer("TransactionMessageRetryInterval")

    @property
    def sample_interval_s(self) -> int:
        return self.configuration.integer("MeterValueSampleInterval")

    @property
    def ping_interval_s(self) -> int:
        return self.configuration.integer("WebSocketPingInterval")

    @property
    def heartbeat_interval_s(self) -> int:
        return self.configuration.integer("HeartbeatInterval")

    def take_interval(self, seconds: int) -> None:
        self.configuration["HeartbeatInterval"] = str(seconds)

    def show_profile(self, profile: int) -> None:
        self.configuration["SecurityProfile"] = str(profile)

    @property
    def authorizes_remote_starts(self) -> bool:
        return self.configuration.flag("AuthorizeRemoteTxRequests")

    def settings(self) -> Iterable[tuple[str, str]]:
        for row in self.configuration.read(None)["configurationKey"]:
            yield row["key"], row.get("value", "")

    def boot_payload(self, reason: str) -> Payload:
        return {
            "chargePointVendor": self.station.vendor,
            "chargePointModel": self.station.model,
            "chargePointSerialNumber": (self.station.serial_number or self.station.identity)[:25],
            "firmwareVersion": self.station.firmware,
        }

    # ---------------------------------------------------------------- tags
    async def ask_about(self, id_tag: str) -> str:
        answer = await self.call("Authorize", {"idTag": id_tag})
        return str(answer.get("idTagInfo", {}).get("status", "Invalid"))

    def authorize_offline(self, id_tag: str) -> str:
        """What the local list says, or what is configured for unknown tags (§3.5)."""
        entry = self.local_list.get(id_tag.lower())
        if entry is not None and self.configuration.flag("LocalAuthListEnabled"):
            return self._listed_status(entry.get("idTagInfo", {}))
        return "Accepted" if self.configuration.flag("AllowOfflineTxForUnknownId") else "Invalid"

    def _listed_status(self, info: Payload) -> str:
        """What the list says of a tag; one that has expired since is refused as well (§3.5.4)."""
        ends_at = parse_timestamp(info.get("expiryDate"))
        if info.get("status") == "Accepted" and ends_at is not None and ends_at <= self.clock.now():
            return "Expired"
        return str(info.get("status", "Accepted"))

    # ---------------------------------------------------------------- sessions
    def queue_start(self, plug: Connector, session: Session) -> Entry:
        payload: Payload = {
            "connectorId": session.connector,
            "idTag": session.id_tag,
            "meterStart": session.meter_start_wh,
            "timestamp": format_timestamp(session.started_at),
        }
        if session.reservation_id is not None:
            payload["reservationId"] = session.reservation_id
        return self._queue("StartTransaction", payload, session)

    def queue_meter_values(self, connector: int, *, context: str = "Sample.Periodic") -> Entry | None:
        plug = self.connectors[connector]
        if plug.session is None:
            return None
        self.draw(plug)
        payload = {"connectorId": connector, "meterValue": [self.reading(connector, context=context)]}
        return self._queue("MeterValues", payload, plug.session)

    def reading(self, connector: int, *, context: str) -> Payload:
        """One MeterValue (§7.33) of a connector as it stands."""
        plug, now = self.connectors[connector], self.clock.now()
        values = sampled_values(
            register_wh=plug.meter.register_wh,
            power_w=plug.power_w(now, limit_w=self.limit_w(plug)),
            soc=plug.soc(),
            measurands=self.configuration.items("MeterValuesSampledData"),
            context=context,
        )
        fallback = [{"value": str(plug.meter.register_wh), "context": context}]
        return {"timestamp": format_timestamp(now), "sampledValue": values or fallback}

    def queue_stop(self, plug: Connector, session: Session, id_tag: str | None) -> None:
        payload: Payload = {
            "transactionId": -1,  # OCPP 1.6 errata 3.18; replaced by the real id once it is known
            "meterStop": session.meter_stop_wh,
            "timestamp": format_timestamp(session.stopped_at or self.clock.now()),
            "reason": session.reason,
        }
        if id_tag is not None:
            payload["idTag"] = id_tag
        if self.configuration.items("StopTxnSampledData"):
            payload["transactionData"] = [self._edge(session, begin=True), self._edge(session, begin=False)]
        self._queue("StopTransaction", payload, session)

    def _edge(self, session: Session, *, begin: bool) -> Payload:
        at = session.started_at if begin else session.stopped_at
        wh = session.meter_start_wh if begin else session.meter_stop_wh
        value = {
            "value": str(wh),
            "context": "Transaction.Begin" if begin else "Transaction.End",
            "measurand": "Energy.Active.Import.Register",
            "unit": "Wh",
        }
        return {"timestamp": format_timestamp(at or self.clock.now()), "sampledValue": [value]}

    def _queue(self, action: str, payload: Payload, session: Session) -> Entry:
        entry = Entry16(action=action, payload=payload, session=session)
        self.outbox.put(entry)
        return entry

    # ---------------------------------------------------------------- status
    async def report_status(self, plug: Connector) -> None:
        if not (self.online and self.accepted):
            return
        status = plug.status
        payload = {
            "connectorId": plug.number,
            "errorCode": plug.error_code,
            "status": status,
            "timestamp": format_timestamp(self.clock.now()),
        }
        plug.reported = status
        try:
            await self.call("StatusNotification", payload)
        except NoAnswer:
            plug.reported = ""
        except CallFailed:
            pass  # counted; sending the same status again would fail again

    # ---------------------------------------------------------------- answers
    def acknowledge(self, entry: Entry, answer: Payload) -> None:
        session, more = entry.session, {}
        if entry.action == "StartTransaction":
            self._acknowledge_start(entry, answer)
        elif entry.action == "MeterValues":
            session.samples += len(entry.payload["meterValue"])
            more = {"sampled_at": entry.payload["meterValue"][0]["timestamp"]}
        else:
            self.settle(session)
        self.write_journal(entry, **more)

    def _acknowledge_start(self, entry: Entry, answer: Payload) -> None:
        session, transaction_id = entry.session, answer.get("transactionId")
        if not isinstance(transaction_id, int) or isinstance(transaction_id, bool):
            raise InvalidAnswer("no transactionId")
        if entry.lost_id not in (None, transaction_id):
            self.stats.errors["transaction_id_changed"] += 1
        session.transaction_id = transaction_id
        session.tag_status = str(answer.get("idTagInfo", {}).get("status", "Invalid"))
        self.stats.sessions_started += 1
        if session.tag_status != "Accepted":
            self.stats.refused_tags += 1
            if self.configuration.flag("StopTransactionOnInvalidId") and not session.ended.is_set():
                self.spawn(self.deauthorize(session))

    def answer(self, action: str, payload: dict[str, Any]) -> Answer:
        return commands.answer(self, action, payload)
