"""What the reports of a charger mean for a firmware update; pure.

Reports move an update forwards only: what is repeated, comes late, or says Idle changes nothing. (OCPP 1.6 §4.5,
§7.25; security whitepaper §6.8)
"""

from __future__ import annotations

from dataclasses import dataclass

from chargepoints.choices import FirmwareState as State

_ORDER = (
    State.QUEUED,
    State.UNKNOWN,
    State.ORDERED,
    State.DOWNLOADING,
    State.DOWNLOADED,
    State.INSTALLING,
    State.INSTALLED,
)
_MEANING = {
    "DownloadScheduled": State.ORDERED,
    "Downloading": State.DOWNLOADING,
    "DownloadPaused": State.DOWNLOADING,
    "Downloaded": State.DOWNLOADED,
    "SignatureVerified": State.DOWNLOADED,
    "InstallScheduled": State.DOWNLOADED,
    "Installing": State.INSTALLING,
    "InstallRebooting": State.INSTALLING,
    "Installed": State.INSTALLED,
    "DownloadFailed": State.FAILED,
    "InstallationFailed": State.FAILED,
    "InvalidSignature": State.FAILED,
    "InstallVerificationFailed": State.FAILED,
}
SENTENCES = {
    "DownloadFailed": "The charger could not fetch the file.",
    "InstallationFailed": "The charger could not install the firmware.",
    "InvalidSignature": "The charger finds the signature of the file wrong.",
    "InstallVerificationFailed": "The charger found the installed firmware damaged.",
}
#: After these the charger runs something, and its next start tells what.
STARTED_INSTALLING = frozenset({State.INSTALLING, State.INSTALLED})


def state_after(state: State, status: str) -> State | None:
    """The state that a report leads to; None where it changes nothing."""
    wanted = _MEANING.get(status)
    if wanted is None:
        return None
    if status == "DownloadFailed" and _ORDER.index(state) > _ORDER.index(State.DOWNLOADING):
        return None  # of an attempt before
    if wanted == State.FAILED:
        return None if state == State.INSTALLED else wanted
    return wanted if _ORDER.index(wanted) > _ORDER.index(state) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """What is known of a charger's firmware.

    booted       it has started anew since it was asked
    booted_after_installing  … and since it began to install
    """

    wanted: str
    before: str
    now: str
    booted: bool
    booted_after_installing: bool


def verdict(state: State, versions: Versions) -> State | None:
    """What the version says that the charger reported at its start; None while it decides nothing.

    The wanted version proves the update, whatever was reported, unless the charger had it before.  Another one
    after “Installed” refutes it; before that, the start may have been one on the way.
    """
    if not versions.wanted or not versions.booted:
        return None
    is_wanted = same_version(versions.now, versions.wanted)
    if is_wanted and (state in STARTED_INSTALLING or not same_version(versions.before, versions.wanted)):
        return State.VERIFIED
    if state == State.INSTALLED and versions.booted_after_installing and not is_wanted:
        return State.WRONG_VERSION
    return None


def same_version(one: str, other: str) -> bool:
    """Compared without regard to case and to spaces around."""
    return one.strip().casefold() == other.strip().casefold()
