"""The consumer of the plain design."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db.transaction import atomic
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from ocpp.exceptions import NotImplementedError as UnknownAction
from ocpp.exceptions import OCPPError
from ocpp.messages import Call, unpack, validate_payload

from tests.bench.plain.models import ChargePoint, Connector, IdTag, Message, MeterValue, Transaction

Write = Callable[[], Any]


class ChargePointConsumer(AsyncWebsocketConsumer):
    """One charger."""

    async def connect(self) -> None:
        identity = self.scope["url_route"]["kwargs"]["identity"]
        headers = dict(self.scope["headers"])
        charge_point = await ChargePoint.objects.filter(identity=identity).afirst()
        if charge_point is None or not knows_password(charge_point, headers.get(b"authorization", b"")):
            await self.close()
            return
        self.charge_point = charge_point
        await self.accept("ocpp1.6")

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        call = unpack(text_data)
        if not isinstance(call, Call):
            return
        try:
            await validate_payload(call, "1.6")
            handler = getattr(self, f"on_{call.action}", None)
            if handler is None:
                raise UnknownAction
            answer, write = await handler(call.payload)
        except OCPPError as error:
            await self.send(call.create_call_error(error).to_json())
            return
        message_id, action, request = call.unique_id, call.action, call.payload
        result = call.create_call_result(answer)
        await self.store(write, message_id=message_id, action=action, request=request, response=answer)
        await self.send(result.to_json())

    @database_sync_to_async
    def store(self, write: Write | None, **message: Any) -> None:
        """Both writes of a message in one transaction, as Django's documentation advises for asynchronous code."""
        with atomic():
            if write is not None:
                write()
            Message.objects.create(charge_point=self.charge_point, **message)

    # ---------------------------------------------------------------- actions
    async def on_BootNotification(self, payload: dict[str, Any]) -> tuple[dict[str, Any], Write | None]:
        row = self.charge_point
        row.vendor, row.model = payload["chargePointVendor"], payload["chargePointModel"]
        row.last_seen_at = timezone.now()
        answer = {"status": "Accepted", "currentTime": now_text(), "interval": 300}
        return answer, lambda: row.save(update_fields=["vendor", "model", "last_seen_at"])

    async def on_Heartbeat(self, payload: dict[str, Any]) -> tuple[dict[str, Any], Write | None]:
        row = self.charge_point
        row.last_seen_at = timezone.now()
        return {"currentTime": now_text()}, lambda: row.save(update_fields=["last_seen_at"])

    async def on_Authorize(self, payload: dict[str, Any]) -> tuple[dict[str, Any], Write | None]:
        return {"idTagInfo": {"status": await tag_status(payload["idTag"])}}, None

    async def on_StatusNotification(self, payload: dict[str, Any]) -> tuple[dict[str, Any], Write | None]:
        values = {
            "status": payload["status"],
            "error_code": payload["errorCode"],
            "changed_at": moment(payload.get("timestamp")),
        }
        key = {"charge_point": self.charge_point, "number": payload["connectorId"]}
        return {}, lambda: Connector.objects.update_or_create(**key, defaults=values)

    async def on_StartTransaction(self, payload: dict[str, Any]) -> tuple[dict[str, Any], Write | None]:
        status = await tag_status(payload["idTag"])
        row = await Transaction.objects.acreate(
            charge_point=self.charge_point,
            connector_number=payload["connectorId"],
            id_tag=payload["idTag"],
            started_at=moment(payload["timestamp"]),
            meter_start=payload["meterStart"],
        )
        return {"transactionId": row.pk, "idTagInfo": {"status": status}}, None

    async def on_MeterValues(self, payload: dict[str, Any]) -> tuple[dict[str, Any], Write | None]:
        transaction = None
        if "transactionId" in payload:
            found = Transaction.objects.filter(charge_point=self.charge_point, pk=payload["transactionId"])
            transaction = await found.afirst()
        rows = [
            MeterValue(
                transaction=transaction,
                charge_point=self.charge_point,
                connector_number=payload["connectorId"],
                sampled_at=moment(reading["timestamp"]),
                measurand=sample.get("measurand", "Energy.Active.Import.Register"),
                phase=sample.get("phase", ""),
                unit=sample.get("unit", ""),
                value=sample["value"],
            )
            for reading in payload["meterValue"]
            for sample in reading["sampledValue"]
        ]
        return {}, lambda: MeterValue.objects.bulk_create(rows)

    async def on_StopTransaction(self, payload: dict[str, Any]) -> tuple[dict[str, Any], Write | None]:
        values = {
            "stopped_at": moment(payload["timestamp"]),
            "meter_stop": payload["meterStop"],
            "reason": payload.get("reason", "Local"),
        }
        row = Transaction.objects.filter(charge_point=self.charge_point, pk=payload["transactionId"])
        return {}, lambda: row.update(**values)


def knows_password(charge_point: ChargePoint, authorization: bytes) -> bool:
    """Whether the header holds the charger's name and password."""
    expected = f"{charge_point.identity}:{charge_point.password}".encode()
    return hmac.compare_digest(authorization, b"Basic " + base64.b64encode(expected))


async def tag_status(value: str) -> str:
    """What OCPP calls the status of a card."""
    tag = await IdTag.objects.filter(value=value).afirst()
    if tag is None:
        return "Invalid"
    return "Blocked" if tag.blocked else "Accepted"


def moment(text: str | None) -> Any:
    """The time in a message, else now."""
    return (parse_datetime(text) if text else None) or timezone.now()


def now_text() -> str:
    """Now as OCPP writes it."""
    return timezone.now().strftime("%Y-%m-%dT%H:%M:%SZ")
