"""Plug & Charge over OCPP 1.6: the interface of whoever keeps contract certificates and asks for revocation.

The messages are those of “Using ISO 15118 Plug & Charge with OCPP 1.6” (Open Charge Alliance), whose fields are those
of OCPP 2.0.1.  `PLUG_AND_CHARGE_PROVIDER` names the class of the provider.  It is asked in a thread of its own while
the charger waits: it must come to an end within some twenty seconds, bear several threads, and use no database.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

VENDOR_ID = "org.openchargealliance.iso15118pnc"
#: Certificates of ISO 15118 in a charger (2.0.1 InstallCertificateUseEnumType, GetCertificateIdUseEnumType).
ISO_ROOTS = ("V2GRootCertificate", "MORootCertificate")
V2G_CERTIFICATE = "V2GCertificate"

_HASH_LIMITS = {"issuerNameHash": 128, "issuerKeyHash": 128, "serialNumber": 40, "responderURL": 512}
MAX_CERTIFICATE, MAX_EXI, MAX_CSR, MAX_HASHES = 5_500, 5_600, 5_500, 4


class ProviderError(Exception):
    """The Plug & Charge provider cannot answer."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.__doc__)


class BadFields(Exception):
    """A message lacks what it must hold."""


class ContractStatus(StrEnum):
    """What is known of a contract certificate and its chain (2.0.1 C07.FR.13–17)."""

    VALID = "Accepted"
    EXPIRED = "CertificateExpired"
    REVOKED = "CertificateRevoked"
    UNVERIFIABLE = "CertChainError"
    MISSING = "NoCertificateAvailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class OcspRequest:
    """Which certificate's status is asked for (2.0.1 OCSPRequestDataType)."""

    hash_algorithm: str
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str
    responder_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a vehicle has shown: its eMAID, and its chain in PEM, or hashes of it, or both."""

    emaid: str
    certificate: str = ""
    hashes: tuple[OcspRequest, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EvRequest:
    """A vehicle wants a contract certificate: `action` is Install or Update, `exi` its request in base64."""

    schema_version: str
    action: str
    exi: str


class PlugAndChargeProvider(ABC):
    """A provider of contract certificates, their status, and certificates of chargers for vehicles."""

    @abstractmethod
    def contract_status(self, contract: Contract) -> ContractStatus:
        """Whether a contract certificate and its chain are valid.  Raises ProviderError."""

    @abstractmethod
    def ocsp_response(self, request: OcspRequest) -> str:
        """The OCSP response about a certificate: DER in base64 (RFC 6960).  Raises ProviderError."""

    @abstractmethod
    def ev_response(self, request: EvRequest) -> str:
        """The response for a vehicle that wants a contract certificate: EXI in base64.  Raises ProviderError."""

    @abstractmethod
    def sign(self, csr: str, *, reference: str) -> str:
        """Sign the certificate that a charger shows to vehicles: the chain in PEM, the leaf first.

        reference  the same for every request of a charger
        Raises     ProviderError
        """


class NoProvider(PlugAndChargeProvider):
    """Nobody: every question is refused in the words of the specification."""

    _NOBODY = "No Plug & Charge provider is set up."

    def contract_status(self, contract: Contract) -> ContractStatus:
        raise ProviderError(self._NOBODY)

    def ocsp_response(self, request: OcspRequest) -> str:
        raise ProviderError(self._NOBODY)

    def ev_response(self, request: EvRequest) -> str:
        raise ProviderError(self._NOBODY)

    def sign(self, csr: str, *, reference: str) -> str:
        raise ProviderError(self._NOBODY)


class FixedProvider(PlugAndChargeProvider):
    """For trials without a provider: believes every contract whose chain is there, and gives fixed responses.

    Not for use: it proves nothing.
    """

    OCSP = "MAMKAQA="  # an OCSPResponse that says no more than “successful”
    EXI = "gJgCAAAA"
    CHAIN = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"

    def contract_status(self, contract: Contract) -> ContractStatus:
        return ContractStatus.VALID

    def ocsp_response(self, request: OcspRequest) -> str:
        return self.OCSP

    def ev_response(self, request: EvRequest) -> str:
        return self.EXI

    def sign(self, csr: str, *, reference: str) -> str:
        return self.CHAIN


@lru_cache(maxsize=4)
def _load(path: str) -> PlugAndChargeProvider:
    provider = import_string(path)()
    if not isinstance(provider, PlugAndChargeProvider):
        raise TypeError(f"PLUG_AND_CHARGE_PROVIDER: {path} is no PlugAndChargeProvider")
    return provider


def get_provider() -> PlugAndChargeProvider:
    """The provider of the settings."""
    return _load(settings.PLUG_AND_CHARGE_PROVIDER)


# --- reading what chargers send ---


def read_contract(fields: Mapping[str, Any]) -> Contract:
    """Of Authorize; the eMAID may come as an object with its type, or as text.  Raises BadFields."""
    token = fields.get("idToken")
    emaid = token.get("idToken") if isinstance(token, Mapping) else token
    if not isinstance(emaid, str) or not emaid.strip():
        raise BadFields("“idToken” is missing.")
    hashes = fields.get("iso15118CertificateHashData") or ()
    if not isinstance(hashes, Sequence) or isinstance(hashes, str) or len(hashes) > MAX_HASHES:
        raise BadFields(f"“iso15118CertificateHashData” must be a list of at most {MAX_HASHES}.")
    certificate = fields.get("certificate")
    return Contract(
        emaid=emaid[:255],
        certificate="" if certificate is None else text_of(fields, "certificate", MAX_CERTIFICATE),
        hashes=tuple(read_ocsp_request(item) for item in hashes),
    )


def read_ocsp_request(item: Any) -> OcspRequest:
    """One OCSPRequestDataType.  Raises BadFields."""
    if not isinstance(item, Mapping):
        raise BadFields("Hashes of a certificate must be an object.")
    read = {name: text_of(item, name, limit) for name, limit in _HASH_LIMITS.items()}
    return OcspRequest(
        hash_algorithm=text_of(item, "hashAlgorithm", 10),
        issuer_name_hash=read["issuerNameHash"],
        issuer_key_hash=read["issuerKeyHash"],
        serial_number=read["serialNumber"],
        responder_url=read["responderURL"],
    )


def text_of(fields: Mapping[str, Any], name: str, limit: int) -> str:
    """A text that must be there.  Raises BadFields."""
    value = fields.get(name)
    if not isinstance(value, str) or not value or len(value) > limit:
        raise BadFields(f"“{name}” must be a text of 1 to {limit} characters.")
    return value
