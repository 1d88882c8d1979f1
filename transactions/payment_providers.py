"""Who takes payments on the web: the interface of payment service providers, and a fake one for tests and demos.

`PAYMENT_PROVIDER` names the class. The driver is sent to the provider's page and comes back to ours; the provider tells
us what became of the payment. An amount is authorized first, and what the session has cost is captured after it.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from django.conf import settings
from django.urls import reverse
from django.utils.module_loading import import_string


class PaymentError(Exception):
    """The payment provider cannot be reached, or not now; it is asked again later."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.__doc__)


class PaymentRefused(PaymentError):
    """The payment provider refuses this payment for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """What is to be paid for.

    reference   the same for every attempt, so that a provider can know a repeat
    amount      that is to be authorized; less may be captured
    return_url  where the driver comes back to
    """

    reference: str
    amount: Decimal
    currency: str
    description: str
    return_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """What was charged, and where the provider shows a receipt, if it does."""

    amount: Decimal
    receipt_url: str = ""
    receipt_id: str = ""


class PaymentProvider(ABC):
    """A payment service provider."""

    #: Shown to people and kept with its payments.
    name = "payment provider"

    @property
    def is_offered(self) -> bool:
        """Whether anything can be paid at all."""
        return True

    @abstractmethod
    def checkout_url(self, checkout: Checkout) -> str:
        """Where the driver enters how he pays.  Raises PaymentError."""

    @abstractmethod
    def capture(self, psp_ref: str, amount: Decimal, currency: str) -> Captured:
        """Charge what was authorized, or less; a repeat charges nothing more.  Raises PaymentError, PaymentRefused."""

    @abstractmethod
    def cancel(self, psp_ref: str) -> None:
        """Release what was authorized; a repeat does nothing more.  Raises PaymentError."""


class NoProvider(PaymentProvider):
    """Nobody takes payments: the page says so."""

    name = "none"

    @property
    def is_offered(self) -> bool:
        return False

    def checkout_url(self, checkout: Checkout) -> str:
        raise PaymentRefused("Nothing can be paid here.")

    def capture(self, psp_ref: str, amount: Decimal, currency: str) -> Captured:
        raise PaymentRefused("Nothing can be paid here.")

    def cancel(self, psp_ref: str) -> None:
        return None


class FakeProvider(PaymentProvider):
    """For tests and demos: a page of ours with two buttons, and no money."""

    name = "fake"

    def checkout_url(self, checkout: Checkout) -> str:
        return reverse("pay-fake", args=[checkout.reference])

    def capture(self, psp_ref: str, amount: Decimal, currency: str) -> Captured:
        return Captured(amount=amount)

    def cancel(self, psp_ref: str) -> None:
        return None

    @staticmethod
    def new_reference() -> str:
        """A payment reference as a provider would give one."""
        return f"fake-{secrets.token_hex(12)}"


@lru_cache(maxsize=4)
def _load(path: str) -> PaymentProvider:
    provider = import_string(path)()
    if not isinstance(provider, PaymentProvider):
        raise TypeError(f"PAYMENT_PROVIDER: {path} is no PaymentProvider")
    return provider


def get_provider() -> PaymentProvider:
    """The provider of the settings."""
    return _load(settings.PAYMENT_PROVIDER)
