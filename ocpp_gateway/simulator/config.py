"""What a simulation is to do, and the command line that says so."""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ocpp_gateway.simulator.autopilot import Traffic
from ocpp_gateway.simulator.register import Registration, add_register_arguments, registration_from
from ocpp_gateway.simulator.station import QUIRKS, TX_POINTS, Station
from ocpp_gateway.simulator.tls import Tls
from ocpp_gateway.simulator.versions import DEFAULT_VERSION, VERSIONS

DEFAULT_URL = "ws://127.0.0.1:8000/ocpp"

_PERIODS_S = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, kw_only=True)
class SimulationConfig:
    """One run of the simulator. Times in seconds; only duration, grace and answer timeout are real ones.

    keys          authorization key by identity; its identities are the charge points when given
    duration_s    None: until told to stop
    ocpp          versions, dealt out to the charge points in turn
    cables        connectors of each EVSE, for 2.x
    late, gaps    share of the events of 2.x that later ones overtake, and of those that get lost for ever
    speed         simulated seconds per real second
    connect_rate  new sockets per real second at the beginning
    """

    url: str = DEFAULT_URL
    chargers: int = 1
    prefix: str = "SIM"
    connectors: int = 1
    ocpp: tuple[str, ...] = (DEFAULT_VERSION,)
    cables: tuple[int, ...] = ()
    start_points: tuple[str, ...] = Station.start_points
    stop_points: tuple[str, ...] = Station.stop_points
    quirks: frozenset[str] = frozenset()
    duration_s: float | None = None
    traffic: Traffic = field(default_factory=Traffic)
    meter_interval_s: int = 10
    tags: tuple[str, ...] = ()
    key: str = field(default="", repr=False)
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    keys_file: Path | None = None
    user_agent: str = "csms-simulator"
    lost_answers: float = 0.0
    duplicates: float = 0.0
    malformed: float = 0.0
    late: float = 0.0
    gaps: float = 0.0
    seed: int | None = None
    speed: float = 1.0
    journal: Path | None = None
    transaction_data: bool = False
    answer_timeout_s: float = 30.0
    connect_rate: float = 50.0
    grace_s: float = 20.0
    tolerate_outages: bool = False
    tls: Tls = field(default_factory=Tls)
    registration: Registration | None = None

    @property
    def identities(self) -> list[str]:
        """Names of the charge points."""
        if self.keys:
            return list(self.keys)[: self.chargers]
        return [f"{self.prefix}{number:04d}" for number in range(1, self.chargers + 1)]

    @property
    def tag_values(self) -> list[str]:
        """The tags to present; without a list one per connector, so that no two sessions share a tag."""
        if self.tags:
            return list(self.tags)
        count = self.chargers * self.connectors
        return [f"{self.prefix[:10]}TAG{number:05d}" for number in range(1, count + 1)]


def parse_gap(text: str) -> float:
    """Mean seconds between arrivals from "12/h", "2/min", "30s", or a number of sessions per charger-hour.

    0 means that nobody comes. Raises ValueError.
    """
    match = re.fullmatch(r"([0-9]*\.?[0-9]+)(?:(/?)(s|min|m|h|d))?", text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no rate: write 12/h, 2/min, 30s or a number of sessions per hour")
    number, slash, unit = float(match[1]), match[2], match[3]
    if number == 0:
        return 0.0
    if unit is None:
        return 3600 / number
    return _PERIODS_S[unit] / number if slash else number * _PERIODS_S[unit]


def parse_range(text: str) -> tuple[float, float]:
    """Shortest and longest from "60-180" or "90". Raises ValueError."""
    low, _, high = text.partition("-")
    result = float(low), float(high or low)
    if not 0 <= result[0] <= result[1]:
        raise ValueError(f"{text!r} is no range of seconds")
    return result


def read_keys(path: Path) -> dict[str, str]:
    """Lines "identity,key" (a key may be empty; # starts a comment line)."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file) if row and row[0].strip() and not row[0].startswith("#")]
    return {row[0].strip(): row[1].strip() if len(row) > 1 else "" for row in rows}


def read_versions(text: str) -> tuple[str, ...]:
    """Versions by comma.  Raises ValueError."""
    return _words(text, VERSIONS)


def read_points(text: str) -> tuple[str, ...]:
    """Start or stop points by comma.  Raises ValueError."""
    return _words(text, TX_POINTS)


def read_quirks(text: str) -> frozenset[str]:
    """Quirks by comma.  Raises ValueError."""
    return frozenset(_words(text, QUIRKS))


def _words(text: str, known: Collection[str]) -> tuple[str, ...]:
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    unknown = [word for word in words if word not in known]
    if unknown or not words:
        raise ValueError(f"{text!r}: choose from {', '.join(known)}")
    return words


def read_cables(text: str) -> tuple[int, ...]:
    """Connectors of each EVSE by comma.  Raises ValueError."""
    return tuple(positive(part) for part in text.split(","))


def read_tags(text: str) -> tuple[str, ...]:
    """Tags from a file, one per line, or from a comma separated list (a comma is no part of a file name)."""
    path = Path(text)
    if "," not in text and path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines()
        return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))
    return tuple(tag.strip() for tag in text.split(",") if tag.strip())


def _probability(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError(f"{text!r} is no probability")
    return value


def positive(text: str) -> int:
    """An integer above zero. Raises ValueError."""
    value = int(text)
    if value < 1:
        raise ValueError(f"{text!r} is not above zero")
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the simulator."""
    add = parser.add_argument
    add(
        "url",
        nargs="?",
        default=DEFAULT_URL,
        help=f"OCPP endpoint without the identity (default {DEFAULT_URL})",
    )
    add("--chargers", type=positive, help="number of charge points (default 1, or all of --keys)")
    add("--prefix", default="SIM", help="identities are PREFIX0001, PREFIX0002, …")
    add("--connectors", type=positive, default=1, metavar="K", help="connectors per charge point")
    add(
        "--ocpp",
        type=read_versions,
        default=(DEFAULT_VERSION,),
        metavar="VERSIONS",
        help="1.6 (default), 2.0.1, 2.1; several by comma are dealt out in turn",
    )
    add(
        "--evse-connectors",
        type=read_cables,
        default=(),
        metavar="K,K…",
        help="connectors of each EVSE (2.x; --connectors says how many EVSEs)",
    )
    add(
        "--tx-start",
        type=read_points,
        default=Station.start_points,
        metavar="POINTS",
        help="TxStartPoint (2.x)",
    )
    add(
        "--tx-stop", type=read_points, default=Station.stop_points, metavar="POINTS", help="TxStopPoint (2.x)"
    )
    add(
        "--quirks",
        type=read_quirks,
        default=frozenset(),
        metavar="LIST",
        help="ways of real charge points of 2.x: "
        + "; ".join(f"{name}: {text}" for name, text in QUIRKS.items()),
    )
    add("--duration", type=float, metavar="S", help="real seconds to run (default: until interrupted)")
    add(
        "--arrival-rate",
        type=parse_gap,
        default=60.0,
        metavar="RATE",
        help="12/h, 2/min, gap 30s, 0: none",
    )
    add("--session-length", type=parse_range, default=(60.0, 180.0), metavar="MIN-MAX", help="seconds")
    add("--power", type=positive, default=11_000, metavar="W", help="power of the plateau")
    add("--meter-interval", type=positive, default=10, metavar="S", help="MeterValueSampleInterval")
    add(
        "--tags",
        type=read_tags,
        default=(),
        metavar="FILE|LIST",
        help="id tags, by line or comma",
    )
    add("--key", default="", help="one authorization key for all charge points")
    add(
        "--keys",
        type=Path,
        metavar="FILE",
        help="identity,key per line; --register writes it if missing",
    )
    add(
        "--tls-ca",
        default="",
        metavar="FILE",
        help="authorities of the server's certificate (PEM), for wss://",
    )
    add("--tls-cert", default="", metavar="FILE", help="client certificate; {identity} in it is replaced")
    add("--tls-key", default="", metavar="FILE", help="its key; without it the certificate's file has both")
    add("--tls-insecure", action="store_true", help="trust any certificate of the server")
    add("--user-agent", default="csms-simulator")
    add("--offline-rate", type=float, default=0.0, metavar="R", help="offline periods per charger-hour")
    add("--offline-length", type=parse_range, default=(30.0, 120.0), metavar="MIN-MAX", help="seconds")
    add("--lost-answers", type=_probability, default=0.0, metavar="P", help="transaction messages resent")
    add("--duplicates", type=_probability, default=0.0, metavar="P", help="transaction messages sent twice")
    add("--malformed", type=_probability, default=0.0, metavar="P", help="junk frames between")
    add("--late", type=_probability, default=0.0, metavar="P", help="events of 2.x sent after later ones")
    add("--gaps", type=_probability, default=0.0, metavar="P", help="Updated events of 2.x lost for ever")
    add("--transaction-data", action="store_true", help="StopTransaction carries transactionData")
    add("--seed", type=int, help="repeatable randomness")
    add("--speed", type=float, default=1.0, metavar="FACTOR", help="simulated seconds per real second")
    add("--answer-timeout", type=float, default=30.0, metavar="S", help="real seconds for an answer")
    add(
        "--connect-rate",
        type=float,
        default=50.0,
        metavar="N",
        help="new sockets per second",
    )
    add("--grace", type=float, default=20.0, metavar="S", help="real seconds for ending the sessions")
    add("--until-stdin-closes", action="store_true", help="end with the parent process (stdin is its pipe)")
    add("--tolerate-outages", action="store_true", help="a server that goes away is no failure")
    add("--journal", type=Path, metavar="FILE", help="append each acknowledged transaction message as JSON")
    add("--json", action="store_true", help="print the summary as JSON")
    add_register_arguments(parser)


def config_from(options: argparse.Namespace) -> SimulationConfig:
    """The configuration that parsed arguments stand for. Raises OSError for an unreadable keys file."""
    keys_file: Path | None = options.keys
    keys: dict[str, str] = {}
    if keys_file is not None and (keys_file.exists() or options.register is None):
        keys = read_keys(keys_file)
    chargers = min(options.chargers or len(keys), len(keys)) if keys else options.chargers or 1
    return SimulationConfig(
        url=options.url,
        chargers=chargers,
        prefix=options.prefix,
        connectors=options.connectors,
        ocpp=options.ocpp,
        cables=options.evse_connectors,
        start_points=options.tx_start,
        stop_points=options.tx_stop,
        quirks=options.quirks,
        duration_s=options.duration,
        traffic=Traffic(
            gap_s=options.arrival_rate,
            session_s=options.session_length,
            power_w=options.power,
            offline_rate=options.offline_rate,
            offline_s=options.offline_length,
        ),
        meter_interval_s=options.meter_interval,
        tags=options.tags,
        key=options.key,
        keys=keys,
        keys_file=keys_file,
        user_agent=options.user_agent,
        lost_answers=options.lost_answers,
        duplicates=options.duplicates,
        malformed=options.malformed,
        late=options.late,
        gaps=options.gaps,
        seed=options.seed,
        speed=options.speed,
        journal=options.journal,
        transaction_data=options.transaction_data,
        answer_timeout_s=options.answer_timeout,
        connect_rate=options.connect_rate,
        grace_s=options.grace,
        tolerate_outages=options.tolerate_outages,
        tls=Tls(
            authorities=options.tls_ca,
            certificate=options.tls_cert,
            key=options.tls_key,
            is_blind=options.tls_insecure,
        ),
        registration=registration_from(options),
    )


def parse(argv: Sequence[str], *, prog: str) -> tuple[SimulationConfig, argparse.Namespace]:
    """Parse a command line; exits with a message when it is wrong."""
    parser = argparse.ArgumentParser(
        prog=prog, description="Simulated charge points of OCPP 1.6, 2.0.1 and 2.1."
    )
    add_arguments(parser)
    options = parser.parse_args(argv)
    return config_from(options), options
