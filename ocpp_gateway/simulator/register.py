"""Creates the charge points and tags of a simulation through the REST API."""

from __future__ import annotations

import argparse
import secrets
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import orjson

_EXISTS = (400, 409)
_PARALLEL = 4


class RegistrationFailed(Exception):
    """The REST API refused or could not be reached."""


@dataclass(frozen=True, kw_only=True)
class Registration:
    """Where and as whom to register. Either a token, or a user name and password."""

    api_url: str
    token: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    tenant: str = ""


def add_register_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --register and what belongs to it."""
    add = parser.add_argument
    add(
        "--register",
        metavar="API_URL",
        help="create charge points and tags first, e.g. http://127.0.0.1:8000",
    )
    add("--token", default="", help="JWT access token for --register")
    add("--username", default="", help="user name for --register")
    add("--password", default="", help="password for --register")
    add("--tenant", default="", metavar="SLUG", help="tenant for --register")


def registration_from(options: argparse.Namespace) -> Registration | None:
    """The registration that parsed arguments ask for."""
    if options.register is None:
        return None
    return Registration(
        api_url=options.register,
        token=options.token,
        username=options.username,
        password=options.password,
        tenant=options.tenant,
    )


class Api:
    """The few calls of the REST API that are needed."""

    def __init__(self, registration: Registration) -> None:
        if not registration.api_url.startswith(("http://", "https://")):
            raise RegistrationFailed(f"{registration.api_url!r} is no http(s) address")
        self._base = registration.api_url.rstrip("/").removesuffix("/api/v1") + "/api/v1/"
        self._tenant = registration.tenant
        self._token = registration.token
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        if not self._token:
            login = {"username": registration.username, "password": registration.password}
            status, body = self.call("POST", "auth/token/", login)
            self._token = str(body.get("access") or "")
            if not self._token:
                raise RegistrationFailed(
                    f"signing in as {registration.username!r} failed: HTTP {status} {body}"
                )

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Status and decoded answer; an HTTP error status is returned, not raised."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if self._tenant:
            headers["X-Tenant"] = self._tenant
        data = None if body is None else orjson.dumps(body)
        request = urllib.request.Request(  # noqa: S310 (http or https, checked)
            self._base + path, data=data, headers=headers, method=method
        )
        try:
            with self._opener.open(request, timeout=30) as response:
                return response.status, _decode(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _decode(error.read())
        except OSError as error:
            raise RegistrationFailed(f"{self._base} cannot be reached: {error}") from error

    def ensure_charge_point(self, identity: str, key: str, profile: int = 1) -> None:
        """Create a charge point, or give the existing one this key and security profile."""
        new = {"identity": identity, "security_profile": profile, "authorization_key": key}
        status, body = self.call("POST", "charge-points/", new)
        if status in _EXISTS:
            path = f"charge-points/{quote(identity, safe='')}/"
            second, _ = self.call("PATCH", path, {"authorization_key": key, "security_profile": profile})
            status = second if second < 300 else status
        if status >= 300:
            raise RegistrationFailed(f"charge point {identity!r}: HTTP {status} {body}")

    def ensure_tag(self, value: str) -> None:
        """Create an id tag unless it is there."""
        status, body = self.call("POST", "id-tokens/", {"value": value, "type": "ISO14443"})
        if status in _EXISTS:
            second, found = self.call("GET", f"id-tokens/?value={quote(value, safe='')}")
            status = 200 if second == 200 and found.get("results") else status
        if status >= 300:
            raise RegistrationFailed(f"id tag {value!r}: HTTP {status} {body}")


def _decode(raw: bytes) -> dict[str, Any]:
    try:
        decoded = orjson.loads(raw) if raw else {}
    except orjson.JSONDecodeError:
        return {"detail": raw[:200].decode(errors="replace")}
    return decoded if isinstance(decoded, dict) else {"detail": decoded}


def new_key() -> str:
    """A random authorization key: 20 bytes as hex text (OCPP-J 1.6 §6.2.2)."""
    return secrets.token_hex(20)


def register(
    registration: Registration, *, keys: dict[str, str], tags: Sequence[str], profile: int = 1
) -> None:
    """Make all charge points and tags exist. Blocking: call it in a thread.

    Raises RegistrationFailed.
    """
    api = Api(registration)
    with ThreadPoolExecutor(_PARALLEL) as pool:
        work = [
            pool.submit(api.ensure_charge_point, identity, key, profile) for identity, key in keys.items()
        ]
        work += [pool.submit(api.ensure_tag, tag) for tag in tags]
        try:
            for done in work:
                done.result()
        except RegistrationFailed:
            pool.shutdown(cancel_futures=True)
            raise
