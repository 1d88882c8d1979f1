"""Whom the system asks about certificates: nobody that OCSP_RESPONDERS does not name."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from pytest_django import Settings

from chargepoints import responders


class Handler(BaseHTTPRequestHandler):
    """Answers by the path that is asked for."""

    seen: list[tuple[str, str, bytes]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        Handler.seen.append((self.path, self.headers.get("Content-Type", ""), body))
        match self.path:
            case "/redirect":
                self.send_response(302)
                self.send_header("Location", "/elsewhere")
                self.end_headers()
            case "/error":
                self.send_error(500)
            case "/long":
                self._say(b"x" * (responders.MAX_OCSP + 1))
            case _:
                self._say(b"answer")

    def do_GET(self) -> None:
        Handler.seen.append((self.path, "", b""))
        self._say(b"list")

    def _say(self, text: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def host(settings: Settings) -> Iterator[str]:
    Handler.seen = []
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        name = f"127.0.0.1:{server.server_port}"
        settings.OCSP_RESPONDERS = [name]
        yield name
        server.shutdown()
        thread.join()


def test_responder_that_is_named_is_asked(host: str) -> None:
    assert responders.ask_ocsp(f"http://{host}/ocsp", b"question") == b"answer"
    assert Handler.seen == [("/ocsp", "application/ocsp-request", b"question")]
    assert responders.fetch_crl(f"http://{host}/a.crl") == b"list"


@pytest.mark.parametrize(
    ("path", "words"), [("/redirect", "HTTP 302"), ("/error", "HTTP 500"), ("/long", "too long")]
)
def test_answer_that_is_none_is_refused(host: str, path: str, words: str) -> None:
    with pytest.raises(responders.NotAsked, match=words):
        responders.ask_ocsp(f"http://{host}{path}", b"question")
    assert [seen[0] for seen in Handler.seen] == [path], "no redirect is followed"


def test_responder_that_is_not_there(settings: Settings) -> None:
    settings.OCSP_RESPONDERS = ["127.0.0.1"]
    with pytest.raises(responders.NotAsked, match="cannot be reached"):
        responders.ask_ocsp("http://127.0.0.1:1/", b"question")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://ocsp.example.com.evil.test/",
        "http://evil.test/ocsp.example.com",
        "http://ocsp.example.com@evil.test/",
        "http://user:pass@ocsp.example.com/",
        "https://OTHER.example.com/",
        "file:///etc/passwd",
        "ftp://ocsp.example.com/",
        "http://ocsp.example.com:99999/",
        "http://[::1/",
        "ocsp.example.com",
        "",
    ],
)
def test_address_that_is_not_named_is_never_opened(settings: Settings, url: str) -> None:
    settings.OCSP_RESPONDERS = ["ocsp.example.com"]
    with pytest.raises(responders.NotAsked):
        responders.check(url)


@pytest.mark.parametrize(
    "url", ["http://ocsp.example.com/a", "HTTPS://OCSP.Example.Com./", "http://ocsp.example.com:8080/"]
)
def test_named_hosts_are_compared_as_names_are(settings: Settings, url: str) -> None:
    settings.OCSP_RESPONDERS = ["ocsp.example.com", "only.example.com:81"]
    responders.check(url)


def test_port_that_is_named_is_the_only_one(settings: Settings) -> None:
    settings.OCSP_RESPONDERS = ["only.example.com:81"]
    responders.check("http://only.example.com:81/")
    with pytest.raises(responders.NotAsked, match="OCSP_RESPONDERS"):
        responders.check("http://only.example.com/")
