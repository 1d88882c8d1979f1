"""Exceptions of charge points; the docstring is the default message, written for the person who asked."""

from __future__ import annotations


class ChargePointsError(Exception):
    """Something about a charge point or a command is wrong."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.__doc__)


class Invalid(ChargePointsError):
    """The given values are not valid.

    errors  field → message, for forms and problem details
    """

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in errors.items()))
        self.errors = errors


class InvalidPayload(Invalid):
    """The payload of a command is not valid."""


class UnknownAction(ChargePointsError):
    """There is no such command."""


class ChargePointOffline(ChargePointsError):
    """The charge point is offline; give expires_in to let the command wait for it."""


class ChargePointNotAccepted(ChargePointsError):
    """The charge point is not accepted: it may not start or stop sessions."""


class ChargePointArchived(ChargePointsError):
    """The charge point is archived."""


class IdempotencyConflict(ChargePointsError):
    """This idempotency key was used for another command."""


class CommandNotCancellable(ChargePointsError):
    """The command was sent already or has ended."""


class ReservationEnded(ChargePointsError):
    """The reservation has ended."""


class InvalidProfile(Invalid):
    """The charging profile is not valid."""


class ProfileInUse(ChargePointsError):
    """The charging profile stands on chargers: clear it there first."""


class ProfileNotStanding(ChargePointsError):
    """The charger does not hold this profile any more."""


class NothingToLimit(ChargePointsError):
    """The session has ended, or the charger has given it no number: it cannot be limited."""


class IdentityTaken(Invalid):
    """This identity is taken."""


class HasSessions(ChargePointsError):
    """The charge point has sessions and cannot be deleted; archive it instead."""


class AlreadyRegistered(ChargePointsError):
    """A charge point with this identity is registered already."""


class InvalidTask(Invalid):
    """The task cannot be started as described."""


class TaskEnded(ChargePointsError):
    """The task has ended; nothing of it waits to be sent."""


class NothingFailed(ChargePointsError):
    """Nothing of this task has failed; there is nothing to try again."""


class NoAuthority(ChargePointsError):
    """There is no certificate authority yet; an administrator makes one under “Certificate authorities”."""


class AuthorityExists(ChargePointsError):
    """There is an authority with keys of this kind already; replace it instead."""


class AlreadyRevoked(ChargePointsError):
    """The certificate is revoked already."""


class NotRevocable(ChargePointsError):
    """Only certificates of chargers and servers can be revoked."""


class RequestDecided(ChargePointsError):
    """This request does not wait for a decision any more."""


class BadCertificateRequest(ChargePointsError):
    """The certificate request is not good."""


class NothingDiffers(ChargePointsError):
    """There is nothing to send: what differs cannot be set, or nothing does."""


class UpgradeUnderWay(ChargePointsError):
    """An upgrade of the security profile is under way already."""


class NoUpgrade(ChargePointsError):
    """No upgrade of the security profile is under way."""


class InvalidTemplate(Invalid):
    """The template is not valid."""


class AlreadyAcknowledged(ChargePointsError):
    """This event was acknowledged already."""


class NothingToForget(ChargePointsError):
    """There is no report that could be deleted."""


class EventIsOver(ChargePointsError):
    """What this event reported is over already."""


class NoFilesUrl(ChargePointsError):
    """There is no address for files: set FILES_URL, or PUBLIC_URL, to one that chargers reach."""


class FileMissing(ChargePointsError):
    """There is no file."""


class FirmwareNotReady(ChargePointsError):
    """The firmware file has neither content nor an address yet."""


class SignatureWrong(ChargePointsError):
    """The signature of the firmware file is wrong: chargers would refuse it."""


class UpdateUnderWay(ChargePointsError):
    """An update of this charge point is under way; cancel it first."""


class NotPossibleNow(ChargePointsError):
    """This is not possible in the present state."""


class LogRequestEnded(ChargePointsError):
    """The request has ended."""
