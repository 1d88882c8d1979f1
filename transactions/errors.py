"""Exceptions of sessions; the docstring is the default message, written for the person who asked."""

from __future__ import annotations


class TransactionsError(Exception):
    """Something about a session is wrong."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.__doc__)


class TransactionNotActive(TransactionsError):
    """The session has ended already."""


class NotRecomputable(TransactionsError):
    """The session's figures cannot be computed again."""


class NothingToSend(TransactionsError):
    """There is no tariff that could be sent."""


class CodeWrong(TransactionsError):
    """This code is not good, or not any more. Scan the QR code on the charger again."""


class CodeUsed(TransactionsError):
    """Somebody has begun to pay with this code. Wait for the next one on the charger and scan it."""


class PaymentOver(TransactionsError):
    """This payment is over. Scan the QR code on the charger again."""


class Invalid(TransactionsError):
    """The given values are not valid.

    errors  field → message, for forms and problem details
    """

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in errors.items()))
        self.errors = errors
