"""Who signs the certificates of chargers: the interface of the built-in authority and of outside ones.

`CERTIFICATE_PROVIDER` names the class. A provider is asked by a background job, never while a charger waits; its
errors are shown with the request and tried again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings
from django.utils.module_loading import import_string


class ProviderError(Exception):
    """The certificate authority cannot sign now; it is asked again later."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.__doc__)


class SigningRefused(ProviderError):
    """The certificate authority refuses this request for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request that has passed our own checks.

    reference  the same for every attempt, so that a provider can know a repeat
    csr        PKCS#10 in PEM
    valid_days how long the certificate should last; an authority may give less
    """

    reference: str
    csr: str
    common_name: str
    organization: str
    valid_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What a provider has signed.

    certificate  in PEM
    chain        the authorities above it, in PEM, the nearest first, without the root
    issuer       in PEM: who has signed it; "" if it is the first of the chain
    authority_id of our own authorities; None: somebody else's
    """

    certificate: str
    chain: str
    issuer: str = ""
    authority_id: int | None = None


class CertificateProvider(ABC):
    """A certificate authority."""

    #: Shown to people and kept with what it has signed.
    name = "outside authority"

    def problem(self) -> str:
        """Why no request can be signed at all, in a sentence; "" when it can. Asked while a charger waits: be quick."""
        return ""

    @abstractmethod
    def sign(self, order: Order) -> Signed:
        """Sign a request.

        Raises  ProviderError   cannot be reached, or not now
                SigningRefused  never will
        """

    def revoke(self, certificate: str, reason: str) -> bool:
        """Tell the authority that a certificate of it is revoked; our own gateway refuses it in any case.

        Returns  whether it was told; False where there is no way
        Raises   ProviderError
        """
        return False

    def trusted_pem(self) -> str:
        """Authorities beside our own by which the certificates of chargers are checked."""
        return ""


@lru_cache(maxsize=4)
def _load(path: str) -> CertificateProvider:
    provider = import_string(path)()
    if not isinstance(provider, CertificateProvider):
        raise TypeError(f"CERTIFICATE_PROVIDER: {path} is no CertificateProvider")
    return provider


def get_provider() -> CertificateProvider:
    """The provider of the settings."""
    return _load(settings.CERTIFICATE_PROVIDER)
