"""GET /health and /health/live: how the parts that this process runs are; anonymous, answered in bounded time.

Every process checks its database and channel layer. Who starts a writer or a job ticker registers it:
`register_check("writer", writer.problem)`.

`/health` is for load balancers and people: 503 while this process cannot do its work. `/health/live` is for who
restarts processes: it fails only where a restart helps. A gateway whose database is away holds the messages of its
chargers; ending it would not bring the database back.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from http import HTTPStatus

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from csms_project.common.partitions import problems

logger = logging.getLogger(__name__)

#: Returns what is wrong in a sentence without secrets, or None.
Check = Callable[[], str | None]

OK = "ok"
DEGRADED = "degraded"
FAILING = "failing"
TIMEOUT_S = 3.0
REDIS_TIMEOUT_S = 1.0
LOOK_S = 5.0

_checks: dict[str, Check] = {}
_liveness: dict[str, Check] = {}
#: Parts without which the work goes on, if less well: commands are found by polling, rows without a month of their own
#: wait in the default partition.
_dispensable: set[str] = {"channel_layer", "partitions"}


def register_check(name: str, check: Check, *, dispensable: bool = False) -> None:
    """Watch a part of this process; the same name replaces the earlier check.

    dispensable  without it the work goes on, if less well
    """
    _checks[name] = check
    if dispensable:
        _dispensable.add(name)


def watch_jobs(check: Check) -> None:
    """Watch the background jobs of this process, and what shows whether they have run lately."""
    register_check("jobs", check)
    if settings.POSTGRESQL:
        register_check("partitions", check_partitions)


def register_liveness(name: str, check: Check) -> None:
    """Watch for what only a restart of the process mends; the check must answer at once."""
    _liveness[name] = check


def unregister_check(name: str) -> None:
    """Stop watching a part that has been shut down in good order."""
    _checks.pop(name, None)


def check_database() -> str | None:
    """One trivial query on a connection of its own."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    finally:
        connection.close()
    return None


def check_channel_layer() -> str | None:
    """Redis answers, where the channel layer lives in it; the one in memory cannot fail."""
    if settings.REDIS_URL:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=REDIS_TIMEOUT_S
        ) as client:
            client.ping()
    return None


def check_partitions() -> str | None:
    """Months of the big tables were made ahead, and no row had to do without."""
    try:
        return " ".join(problems(timezone.now(), count=1000)) or None
    finally:
        connection.close()


_layer_looked_at = 0.0  # by the monotonic clock
_layer_is_away = False


def layer_is_away() -> bool:
    """Whether the channel layer failed when it was looked at last, some seconds ago at most; for pages."""
    global _layer_looked_at, _layer_is_away
    now = time.monotonic()
    if now - _layer_looked_at > LOOK_S:
        _layer_looked_at = now  # others take the known answer meanwhile
        try:
            _layer_is_away = check_channel_layer() is not None
        except (redis.RedisError, OSError):
            _layer_is_away = True
    return _layer_is_away


register_check("database", check_database)
register_check("channel_layer", check_channel_layer)


def run_checks(timeout_s: float = TIMEOUT_S) -> dict[str, str]:
    """Run all checks side by side: name → ok or what is wrong. A check that hangs counts as failed."""
    futures = {name: _start(name, check) for name, check in list(_checks.items())}
    wait(futures.values(), timeout=timeout_s)
    return {name: _result(name, future) for name, future in futures.items()}


def _start(name: str, check: Check) -> Future[str | None]:
    future: Future[str | None] = Future()

    def run() -> None:
        try:
            future.set_result(check())
        except Exception as error:  # whatever it is, the part is not well
            future.set_exception(error)

    # A daemon: a check that hangs must not keep the process from ending.
    threading.Thread(target=run, name=f"health-{name}", daemon=True).start()
    return future


def _result(name: str, future: Future[str | None]) -> str:
    if not future.done():
        logger.warning("health.timeout", extra={"check": name})
        return "does not answer"
    if (error := future.exception()) is not None:
        is_away = isinstance(error, OSError | redis.RedisError | DatabaseError)
        fields = {"check": name, "error": str(error)[:200]}
        logger.warning("health.failed", extra=fields, exc_info=None if is_away else error)
        return f"fails ({type(error).__name__})"
    return future.result() or OK


def status_of(checks: dict[str, str]) -> str:
    """ok; degraded: the work goes on without what fails; failing."""
    failed = {name for name, result in checks.items() if result != OK}
    if not failed:
        return OK
    return DEGRADED if failed <= _dispensable else FAILING


@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """{status, checks}; 503 when a part fails that this process needs."""
    return _answer(run_checks())


@never_cache
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """The same shape, of what only a restart mends; that it is answered shows that the event loop runs."""
    return _answer({name: check() or OK for name, check in list(_liveness.items())})


def _answer(checks: dict[str, str]) -> JsonResponse:
    status = status_of(checks)
    code = HTTPStatus.SERVICE_UNAVAILABLE if status == FAILING else HTTPStatus.OK
    # Compact: some probes look for the text "status":"ok".
    return JsonResponse(
        {"status": status, "checks": checks}, status=code, json_dumps_params={"separators": (",", ":")}
    )
