"""What a simulated charge point of 2.x knows of tokens: local list, cache, types (2.0.1 part 2, blocks C and D)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ocpp_gateway.simulator.answers import Answer, Payload, status
from ocpp_gateway.simulator.v201.sessions import DEFAULT_TYPE
from ocpp_gateway.wire.timestamps import parse_timestamp

if TYPE_CHECKING:
    from ocpp_gateway.simulator.v201.charge_point import ChargePoint201

MAX_CACHED = 1000
MAX_LISTED = 1000


class Tokens:
    """The local list is kept by the charge point; this is the cache, and how both are asked."""

    def __init__(self, cp: ChargePoint201) -> None:
        self._cp = cp
        #: Token → what the CSMS said of it, and until when that may be believed.
        self.cache: dict[str, tuple[Payload, datetime]] = {}
        self._types: dict[str, str] = {}

    def type_of(self, id_token: str) -> str:
        return self._types.get(id_token.lower(), DEFAULT_TYPE)

    def learn_type(self, id_token: str, kind: str) -> None:
        """Use this type for a token from now on."""
        self._types[id_token.lower()] = kind

    async def ask(self, id_token: str) -> str:
        """Ask the CSMS, unless list or cache decide (C12).  Raises CallFailed, NoAnswer."""
        if self._cp.device.flag("AuthCtrlr", "LocalPreAuthorize") and self._known(id_token) == "Accepted":
            return "Accepted"
        answer = await self._cp.call(
            "Authorize", {"idToken": {"idToken": id_token, "type": self.type_of(id_token)}}
        )
        info = dict(answer.get("idTokenInfo", {}))
        self._remember(id_token, info)
        self._cp.take_authorization(id_token, answer)
        return str(info.get("status", "Invalid"))

    def _remember(self, id_token: str, info: Payload) -> None:
        cp = self._cp
        if not cp.device.flag("AuthCacheCtrlr", "Enabled"):
            return
        life = timedelta(seconds=cp.device.integer("AuthCacheCtrlr", "LifeTime"))
        until = parse_timestamp(info.get("cacheExpiryDateTime")) or cp.clock.now() + life
        if len(self.cache) >= MAX_CACHED:
            self.cache.pop(next(iter(self.cache)))
        self.cache[id_token.lower()] = (info, until)

    def _known(self, id_token: str) -> str | None:
        """The status that the list or, after it, the cache gives (C14)."""
        cp, key = self._cp, id_token.lower()
        if cp.device.flag("LocalAuthListCtrlr", "Enabled") and key in cp.local_list:
            info = cp.local_list[key].get("idTokenInfo", {})
            ends_at = parse_timestamp(info.get("cacheExpiryDateTime"))
            is_over = ends_at is not None and ends_at <= cp.clock.now()
            return "Expired" if is_over else str(info.get("status", "Accepted"))
        if cp.device.flag("AuthCacheCtrlr", "Enabled") and key in self.cache:
            info, until = self.cache[key]
            return str(info.get("status", "Invalid")) if until > cp.clock.now() else None
        return None

    def authorize_offline(self, id_token: str) -> str:
        """Decide without the CSMS (C13, C15)."""
        cp = self._cp
        known = self._known(id_token) if cp.device.flag("AuthCtrlr", "LocalAuthorizeOffline") else None
        if known is not None:
            return known
        return "Accepted" if cp.device.flag("AuthCtrlr", "OfflineTxForUnknownIdEnabled") else "Unknown"

    def forget(self, id_token: str) -> None:
        """Remove a customer's traces."""
        self.cache.pop(id_token.lower(), None)
        self._cp.local_list.pop(id_token.lower(), None)


# ---------------------------------------------------------------- calls of the CSMS
def clear_cache(cp: ChargePoint201, payload: Payload) -> Answer:
    if not cp.device.flag("AuthCacheCtrlr", "Enabled"):
        return status("Rejected")
    cp.tokens.cache.clear()
    return status("Accepted")


def get_local_list_version(cp: ChargePoint201, payload: Payload) -> Answer:
    is_used = cp.device.flag("LocalAuthListCtrlr", "Enabled") and cp.local_list
    return Answer({"versionNumber": cp.local_list_version if is_used else 0})


def send_local_list(cp: ChargePoint201, payload: Payload) -> Answer:
    """Take a whole list or changes to it; what is refused changes nothing (D01)."""
    version, kind = int(payload["versionNumber"]), payload["updateType"]
    entries: list[Payload] = payload.get("localAuthorizationList") or []
    tokens = [str(entry["idToken"]["idToken"]).lower() for entry in entries]
    lacks = kind == "Full" and any("idTokenInfo" not in entry for entry in entries)
    too_long = len(entries) > cp.device.integer("LocalAuthListCtrlr", "ItemsPerMessage")
    is_off = not cp.device.flag("LocalAuthListCtrlr", "Enabled")
    if is_off or version < 1 or lacks or too_long or len(set(tokens)) < len(tokens):
        return status("Failed")
    if kind == "Differential" and version <= cp.local_list_version:
        return status("VersionMismatch")
    changed = {} if kind == "Full" else dict(cp.local_list)
    for token, entry in zip(tokens, entries, strict=True):
        if "idTokenInfo" in entry:
            changed[token] = entry
            cp.tokens.learn_type(token, entry["idToken"]["type"])
        else:
            changed.pop(token, None)
    if len(changed) > MAX_LISTED:
        return status("Failed")
    cp.local_list, cp.local_list_version = changed, version
    cp.show_list_length()
    return status("Accepted")


HANDLERS = {
    "ClearCache": clear_cache,
    "GetLocalListVersion": get_local_list_version,
    "SendLocalList": send_local_list,
}
