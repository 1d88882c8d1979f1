"""Every measurement of docs/performance.md, with its budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench import compare
from tests.bench.site import ADMIN, Product, Site

FLEET = 5000
BYSTANDERS = 100
#: CPU per message of two gateways counts as unchanged up to this factor: half the load each means smaller batches.
UNCHANGED = 1.1

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the table. `ok` is None where there is no budget."""

    title: str
    measured: str
    budget: str = ""
    ok: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Form:
    """How long to measure, in seconds, and how often: of several rounds the quietest counts."""

    duration_s: float
    soak_s: float
    rounds: int = 1


class Bench:
    """One site and one product on it; each measurement has fresh processes."""

    def __init__(self, site: Site, form: Form, *, fleet: int = FLEET) -> None:
        self.site, self.form, self.fleet = site, form, fleet
        self._product: Product | None = None

    @property
    def product(self) -> Product:
        """The product with the whole fleet registered, made when first needed."""
        if self._product is None:
            self._product = self.site.product(chargers=self.fleet + BYSTANDERS)
        return self._product

    def run(self, scenario: str, *, gateways: int = 1, **options: Any) -> Row:
        """Load fresh gateways; of several rounds the one with the least CPU, unless one of them had trouble."""
        rows = [self._run_once(scenario, gateways, options) for _ in range(self.form.rounds)]
        return next((row for row in rows if row["errors"] or row["complaints"]), min(rows, key=_cpu))

    def _run_once(self, scenario: str, gateways: int, options: dict[str, Any]) -> Row:
        servers = [self.product.start() for _ in range(gateways)]
        try:
            values = {"chargers": 100, "duration": self.form.duration_s, "verify": True, **options}
            return self.product.load(scenario, *servers, **values)
        finally:
            for server in servers:
                server.stop()


def _cpu(row: Row) -> float:
    return float(row["cpu_us_per_message"] or row["server_cpu_s"])


Measure = Callable[[Bench], list[Line]]


# ---------------------------------------------------------------- one kind of message
def _gateway_cpu(scenario: str, title: str, budget_us: float | None, **options: Any) -> Measure:
    def measure(bench: Bench) -> list[Line]:
        row = bench.run(scenario, **options)
        cpu = row["server_cpu_us_per_message"]
        with_postgres = f"{cpu:.0f} µs ({row['cpu_us_per_message']:.0f} with PostgreSQL)"
        return [
            Line(
                title=title,
                measured=f"{with_postgres}, {row['messages_per_s']:,.0f}/s",
                budget="" if budget_us is None else f"≤ {budget_us:.0f} µs",
                ok=None if budget_us is None else cpu <= budget_us,
            ),
            *_trouble(title, row),
        ]

    return measure


def _trouble(title: str, row: Row) -> list[Line]:
    """A line for what went wrong; none when all is well."""
    wrong = [f"{count} × {kind}" for kind, count in row["errors"].items()] + (row["complaints"] or [])
    return (
        [Line(title=f"{title}: trouble", measured="; ".join(wrong), budget="none", ok=False)] if wrong else []
    )


def starts(bench: Bench) -> list[Line]:
    """All start, all stop, in turn; each on its own.  The more chargers, the larger the batches."""
    return [line for chargers in (100, 200) for line in _starts(bench, chargers)]


def _starts(bench: Bench, chargers: int) -> list[Line]:
    row = bench.run("starts", chargers=chargers)
    lines = []
    for action, budget_us in (("StartTransaction", 150.0), ("StopTransaction", None)):
        cpu = row["phases"][action]
        lines.append(
            Line(
                title=f"Gateway CPU, {action}, {chargers} chargers",
                measured=f"{cpu['server_cpu_us']:.0f} µs "
                f"({cpu['server_cpu_us'] + cpu['postgres_cpu_us']:.0f} with PostgreSQL)",
                budget="" if budget_us is None else f"≤ {budget_us:.0f} µs",
                ok=None if budget_us is None else cpu["server_cpu_us"] <= budget_us,
            )
        )
    return [*lines, *_trouble(f"StartTransaction and StopTransaction, {chargers} chargers", row)]


# ---------------------------------------------------------------- many kinds
def sessions(bench: Bench) -> list[Line]:
    """100 chargers, closed loop."""
    row = bench.run("sessions")
    cpu, speed = row["cpu_s_per_1000_messages"], row["messages_per_s"]
    gateway, postgres = row["server_cpu_s_per_1000_messages"], row["postgres_cpu_s_per_1000_messages"]
    return [
        Line(
            title="Whole sessions: CPU per 1,000 messages with PostgreSQL",
            measured=f"{cpu:.3f} s (gateway {gateway:.3f}, PostgreSQL {postgres:.3f})",
            budget="≤ 0.20 s",
            ok=cpu <= 0.20,
        ),
        Line(
            title="Whole sessions: throughput",
            measured=f"{speed:,.0f}/s",
            budget="≥ 4,000/s",
            ok=speed >= 4000,
        ),
        Line(
            title="Whole sessions: acknowledged and not stored",
            measured="none" if not row["complaints"] else "; ".join(row["complaints"]),
            budget="none",
            ok=not row["complaints"] and not row["errors"],
        ),
    ]


def two_gateways(bench: Bench) -> list[Line]:
    """The same load per gateway, on one and on two."""
    one, two = bench.run("sessions"), bench.run("sessions", gateways=2, chargers=200)
    speed = two["messages_per_s"] / one["messages_per_s"]
    cpu = two["cpu_us_per_message"] / one["cpu_us_per_message"]
    return [
        Line(
            title="Two gateways against one, whole sessions",
            measured=f"{speed:.2f} × the throughput, {cpu:.2f} × the CPU per message",
            budget=f"≥ 1.7 ×, or CPU ≤ {UNCHANGED} ×",
            ok=speed >= 1.7 or cpu <= UNCHANGED,
        ),
        *_trouble("Two gateways", two),
    ]


def plain(bench: Bench) -> list[Line]:
    """A third each against the plain design."""
    result = compare.compare(
        bench.site, scenario="mixed", chargers=100, rounds=2, duration_s=bench.form.duration_s
    )
    speed, cpu = result["messages_per_s"], result["cpu_us_per_message"]
    return [
        Line(
            title="Mixed load against the plain design",
            measured=f"{result['speed_ratio']:.1f} × ({speed['ours']:,.0f} against {speed['plain']:,.0f}/s; "
            f"{cpu['ours']:.0f} against {cpu['plain']:.0f} µs CPU)",
            budget=f"≥ {compare.BUDGET:.0f} ×",
            ok=result["speed_ratio"] >= compare.BUDGET,
        )
    ]


# ---------------------------------------------------------------- many sockets
def boots(bench: Bench) -> list[Line]:
    """Connect and boot, 1,000 at once, over and over."""
    row = bench.run("boot-storm", chargers=min(1000, bench.fleet))
    return [
        Line(
            title="Boot storm: connected and booted",
            measured=f"{row['boots_per_s']:,.0f}/s",
            budget="≥ 800/s",
            ok=row["boots_per_s"] >= 800,
        ),
        Line(
            title="Boot storm: CPU of a boot with PostgreSQL",
            measured=f"{row['cpu_ms_per_boot']:.2f} ms",
            budget="≤ 1.0 ms",
            ok=row["cpu_ms_per_boot"] <= 1.0,
        ),
        *_trouble("Boot storm", row),
    ]


def storm(bench: Bench) -> list[Line]:
    """The whole fleet at once, with all connector states; others send heartbeats meanwhile."""
    row = bench.run(
        "boot-storm", chargers=bench.fleet, duration=0, statuses=True, connectors=2, heartbeats=BYSTANDERS
    )
    answered = {name: row["actions"].get(name, {}) for name in ("BootNotification", "StatusNotification")}
    slowest = max(values.get("p99_ms", 0.0) for values in answered.values())
    beats = row["actions"].get("Heartbeat", {}).get("p99_ms", 0.0)
    complete = row["connected"] == bench.fleet and not row["errors"] and not row["complaints"]
    return [
        Line(
            title=f"{bench.fleet:,} chargers at once: connected, booted, all states answered",
            measured=f"{row['connected']:,} in {row['duration_s']:.1f} s",
            budget="all",
            ok=complete,
        ),
        Line(
            title=f"{bench.fleet:,} chargers at once: p99 of an answer",
            measured=f"{slowest / 1000:.2f} s",
            budget="< 2 s",
            ok=slowest < 2000,
        ),
        Line(
            title=f"{bench.fleet:,} chargers at once: p99 of the others' heartbeats",
            measured=f"{beats / 1000:.2f} s",
            budget="< 1 s",
            ok=0 < beats < 1000,
        ),
        *_trouble(f"{bench.fleet:,} chargers at once", row),
    ]


def _idle(title: str, budget_kb: float, **options: Any) -> Measure:
    def measure(bench: Bench) -> list[Line]:
        row = bench.run("idle", chargers=bench.fleet, concurrency=100, **options)
        size = row["rss_bytes_per_connection"] / 1000
        # Those of the warm-up have closed; what the server did not agree to would be measured uncompressed.
        is_as_asked = row["connected"] == bench.fleet and (
            row["compressed_connections"] >= bench.fleet or not options.get("deflate")
        )
        return [
            Line(
                title=title,
                measured=f"{size:.1f} kB at {row['connected']:,} connections",
                budget=f"≤ {budget_kb:.0f} kB",
                ok=size <= budget_kb and is_as_asked,
            ),
            *_trouble(title, row),
        ]

    return measure


def soak(bench: Bench) -> list[Line]:
    """Lives in brief with commands through a web process."""
    gateway, web = bench.product.start(), bench.product.start("web")
    try:
        row = bench.product.load(
            "soak", gateway, chargers=100, duration=bench.form.soak_s, verify=True, commands=2,
            register=f"http://127.0.0.1:{web.port}", username=ADMIN[0], password=ADMIN[1],
        )  # fmt: skip
    finally:
        gateway.stop()
        web.stop()
    growth = row["growth"] or {"rss_growth_bytes": 0, "files_growth": 0, "steady": False}
    lives, minutes = row["connected"], row["duration_s"] / 60
    measured = (
        f"{growth['rss_growth_bytes'] / 1e6:+.1f} MB, {growth['files_growth']:+d} descriptors over "
        f"{lives:,} lives, {row['messages']:,} messages in {minutes:.0f} min"
    )
    return [
        Line(title="Soak: growth after warm-up", measured=measured, budget="none", ok=growth["steady"]),
        *_trouble("Soak", row),
    ]


MEASURES: dict[str, Measure] = {
    "unknown-action": _gateway_cpu("unknown-action", "Gateway CPU, unknown action", 45, chargers=200),
    "malformed": _gateway_cpu("malformed", "Gateway CPU, malformed frame", 45, chargers=200),
    "heartbeats": _gateway_cpu("heartbeats", "Gateway CPU, Heartbeat", 60, chargers=200),
    "authorize": _gateway_cpu("authorize", "Gateway CPU, Authorize", None),
    "statuses": _gateway_cpu("statuses", "Gateway CPU, StatusNotification", None),
    "starts": starts,
    "meter-values": _gateway_cpu("meter-values", "Gateway CPU, MeterValues of 10 samples", 200),
    "events": _gateway_cpu("events", "Gateway CPU, TransactionEvent of 10 samples", 200),
    "sessions": sessions,
    "plain": plain,
    "boots": boots,
    "storm": storm,
    "idle": _idle("Memory of an idle connection", 40),
    "idle-deflate": _idle("Memory of an idle connection with permessage-deflate", 60, deflate=True),
    "two-gateways": two_gateways,
    "soak": soak,
}


def as_markdown(lines: Sequence[Line]) -> str:
    """The table of the documentation."""
    verdicts = {True: "ok", False: "**missed**", None: ""}
    table = ["| What | Budget | Measured | Verdict |", "| --- | --- | --- | --- |"]
    table += [f"| {line.title} | {line.budget} | {line.measured} | {verdicts[line.ok]} |" for line in lines]
    return "\n".join(table)
