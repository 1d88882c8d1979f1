"""What reports and restarts mean for an update; pure."""

from __future__ import annotations

import pytest

from chargepoints.choices import FirmwareState as State
from chargepoints.firmware_progress import Versions, state_after, verdict

USUAL = ["Downloading", "Downloaded", "Installing", "Installed"]
SIGNED = [
    "DownloadScheduled",
    "Downloading",
    "DownloadPaused",
    "Downloading",
    "Downloaded",
    "SignatureVerified",
    "InstallScheduled",
    "InstallRebooting",
    "Installing",
    "Installed",
]


def after(statuses: list[str], state: State = State.ORDERED) -> State:
    for status in statuses:
        state = state_after(state, status) or state
    return state


@pytest.mark.parametrize("statuses", [USUAL, SIGNED, ["Installed"]])
def test_reports_in_their_order_lead_to_installed(statuses: list[str]) -> None:
    assert after(statuses) == State.INSTALLED


def test_every_report_twice_leads_to_the_same() -> None:
    assert after([status for status in SIGNED for _ in range(2)]) == State.INSTALLED


@pytest.mark.parametrize(
    "late", ["Downloading", "Downloaded", "DownloadFailed", "Idle", "DownloadScheduled", "X"]
)
def test_late_report_does_not_move_back(late: str) -> None:
    assert state_after(State.INSTALLING, late) is None
    assert state_after(State.INSTALLED, late) is None


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (State.ORDERED, "DownloadFailed"),
        (State.DOWNLOADING, "DownloadFailed"),
        (State.UNKNOWN, "DownloadFailed"),
        (State.DOWNLOADED, "InvalidSignature"),
        (State.INSTALLING, "InstallationFailed"),
        (State.INSTALLING, "InstallVerificationFailed"),
    ],
)
def test_failure_where_it_can_happen_fails(state: State, status: str) -> None:
    assert state_after(state, status) == State.FAILED


def versions(
    now: str, *, wanted: str = "2", before: str = "1", booted: bool = True, again: bool = True
) -> Versions:
    return Versions(
        wanted=wanted, before=before, now=now, booted=booted, booted_after_installing=booted and again
    )


def test_restart_with_the_wanted_version_proves_the_update_whatever_was_reported() -> None:
    for state in (State.ORDERED, State.UNKNOWN, State.DOWNLOADING, State.INSTALLED):
        assert verdict(state, versions(" 2 ")) == State.VERIFIED


def test_restart_with_another_version_after_installed_refutes_it() -> None:
    assert verdict(State.INSTALLED, versions("1")) == State.WRONG_VERSION


def test_restart_on_the_way_decides_nothing() -> None:
    assert verdict(State.DOWNLOADED, versions("1")) is None
    assert verdict(State.INSTALLING, versions("1")) is None


def test_version_that_was_there_before_proves_nothing_until_something_is_installed() -> None:
    assert verdict(State.DOWNLOADING, versions("2", before="2")) is None
    assert verdict(State.INSTALLED, versions("2", before="2")) == State.VERIFIED


def test_without_a_restart_or_a_wanted_version_nothing_is_decided() -> None:
    assert verdict(State.INSTALLED, versions("2", booted=False)) is None
    assert verdict(State.INSTALLED, versions("2", wanted="")) is None


def test_restart_before_installing_does_not_refute() -> None:
    assert verdict(State.INSTALLED, versions("1", again=False)) is None
