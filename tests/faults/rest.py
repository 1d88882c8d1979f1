"""The REST API as an integrator uses it: JSON over HTTP with a token that is renewed when it has run out."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from tests.faults.seed import ADMIN

TIMEOUT_S = 30
PAGE_SIZE = 500


class RestError(AssertionError):
    """The API answered with another status than was expected."""


class Rest:
    """A signed-in client of one web process."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"
        self._token = ""
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """Status and decoded answer; signs in where needed."""
        status, answer = self._send(method, path, body)
        if status == 401:
            self._sign_in()
            status, answer = self._send(method, path, body)
        return status, answer

    def get(self, path: str, **filters: Any) -> Any:
        """The answer to a GET, which must succeed."""
        return self._expect(200, "GET", f"{path}?{urlencode(filters)}" if filters else path)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The answer to a POST that makes something."""
        return self._expect(201, "POST", path, body)

    def list(self, path: str, **filters: Any) -> Iterator[Any]:
        """All results of a list, page by page."""
        url: str | None = f"{path}?{urlencode({**filters, 'page_size': PAGE_SIZE})}"
        while url:
            page = self._expect(200, "GET", url)
            yield from page["results"]
            url = page["next"].partition("/api/v1/")[2] if page["next"] else None

    def _expect(self, wanted: int, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        status, answer = self.request(method, path, body)
        if status != wanted:
            raise RestError(f"{method} {path}: {status} {str(answer)[:500]}")
        return answer

    def _sign_in(self) -> None:
        username, password = ADMIN
        status, answer = self._send("POST", "auth/token/", {"username": username, "password": password})
        if status != 200:
            raise RestError(f"signing in: {status} {str(answer)[:500]}")
        self._token = answer["access"]

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json", "X-Tenant": "default"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self._base}/api/v1/{path}", data=data, headers=headers, method=method
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as response:
                return response.status, json.loads(response.read(), parse_float=str)
        except urllib.error.HTTPError as error:
            with error:
                text = error.read()
            try:
                return error.code, json.loads(text)
            except ValueError:
                return error.code, text[:500]
