"""Plug & Charge: the interface of whoever keeps contract certificates and asks for revocation.

The messages are those of OCPP 2.0.1 and 2.1, and for OCPP 1.6 those of “Using ISO 15118 Plug & Charge with OCPP 1.6”
(Open Charge Alliance), whose fields are the same.  `PLUG_AND_CHARGE_PROVIDER` names the class of the provider.  It is
asked in a thread of its own while the charger waits: it must come to an end within some twenty seconds, bear several
threads, and leave no database connection open.  Only `sign` is asked by a background job.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.module_loading import import_string

from chargepoints.pki import issuing, keys, reading, requests
from chargepoints.pki.reading import HashData

VENDOR_ID = "org.openchargealliance.iso15118pnc"
#: Certificates of ISO 15118 in a charger (2.0.1 InstallCertificateUseEnumType, GetCertificateIdUseEnumType).
ISO_ROOTS = ("V2GRootCertificate", "MORootCertificate")
V2G_CERTIFICATE = "V2GCertificate"

# Those of 2.0.1, for vendor messages; messages of their own were checked by their schemas.
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

    @property
    def name(self) -> HashData:
        """The certificate that is meant."""
        return HashData(
            algorithm=self.hash_algorithm,
            issuer_name_hash=self.issuer_name_hash,
            issuer_key_hash=self.issuer_key_hash,
            serial_number=self.serial_number,
        )


class KnownStatus(StrEnum):
    """What is known of one certificate (2.1 CertificateStatusEnumType)."""

    GOOD = "Good"
    REVOKED = "Revoked"
    UNKNOWN = "Unknown"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusQuestion:
    """Whether one certificate is good, by what its issuer says at one of these addresses (2.1 M07).

    source  OCSP or CRL
    """

    name: HashData
    source: str
    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusAnswer:
    """The answer to that, and when there may be a new one."""

    status: KnownStatus
    next_update: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a vehicle has shown: its eMAID, and its chain in PEM, or hashes of it, or both."""

    emaid: str
    certificate: str = ""
    hashes: tuple[OcspRequest, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EvRequest:
    """A vehicle wants a contract certificate: `action` is Install or Update, `exi` its request in base64.

    maximum_chains  how many a vehicle of ISO 15118-20 takes; None: one of ISO 15118-2 (2.1 M01.FR.02, .03)
    emaids          contracts that it wants first
    """

    schema_version: str
    action: str
    exi: str
    maximum_chains: int | None = None
    emaids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EvAnswer:
    """The response for the vehicle, EXI in base64.

    remaining  contracts that it can ask for after this one (2.1 M01.FR.04–07)
    """

    exi: str
    remaining: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningOrder:
    """A charger wants the certificate that it shows to vehicles.

    csr        PKCS#10 in PEM
    reference  the same for every attempt
    purpose    V2GCertificate (ISO 15118-2) or V2G20Certificate (ISO 15118-20)
    root       the root below which it should be signed, where the charger says so
    """

    csr: str
    reference: str
    purpose: str = V2G_CERTIFICATE
    root: HashData | None = None


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

        reference  the same for every attempt of a request
        Raises     ProviderError
        """

    # ---- what a provider need not say for itself

    def problem(self) -> str:
        """Why nothing can be signed at all, in a sentence; "" when it can. Asked while a charger waits: be quick."""
        return ""

    def sign_order(self, order: SigningOrder) -> str:
        """As `sign`, for who looks at the kind of certificate and the root that is wanted."""
        return self.sign(order.csr, reference=order.reference)

    def ev_answer(self, request: EvRequest) -> EvAnswer:
        """As `ev_response`, for who gives several contracts, one after the other."""
        remaining = 0 if request.maximum_chains is not None else None
        return EvAnswer(exi=self.ev_response(request), remaining=remaining)

    def certificate_state(self, question: StatusQuestion) -> StatusAnswer:
        """What the issuer says of a certificate.  Raises ProviderError."""
        raise ProviderError("The Plug & Charge provider does not ask for the status of certificates.")


class NoProvider(PlugAndChargeProvider):
    """Nobody: every question is refused in the words of the specification."""

    _NOBODY = "No Plug & Charge provider is set up."

    def problem(self) -> str:
        return self._NOBODY

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

    Not for use: it proves nothing, and signs by an authority that it forgets.
    """

    OCSP = "MAMKAQA="  # an OCSPResponse that says no more than “successful”
    EXI = "gJgCAAAA"

    def contract_status(self, contract: Contract) -> ContractStatus:
        return ContractStatus.VALID

    def ocsp_response(self, request: OcspRequest) -> str:
        return self.OCSP

    def ev_response(self, request: EvRequest) -> str:
        return self.EXI

    def sign(self, csr: str, *, reference: str) -> str:
        try:
            request = requests.read(csr)
        except requests.BadRequest as error:
            raise ProviderError(str(error)) from error
        issuer = _trial_authority()
        made = issuing.make_for_vehicles(
            issuer, request=request, at=timezone.now(), valid_for=timedelta(days=60)
        )
        return reading.to_pem(made) + reading.to_pem(issuer.certificate)

    def certificate_state(self, question: StatusQuestion) -> StatusAnswer:
        return StatusAnswer(status=KnownStatus.GOOD, next_update=timezone.now() + timedelta(days=1))


@lru_cache(maxsize=1)
def _trial_authority() -> issuing.Issuer:
    """Lives as long as the process."""
    key = keys.generate(keys.KeyKind.EC_P256)
    name = issuing.distinguished_name(common_name="Trial V2G Root", organization="Trial")
    begun_at = datetime(2020, 1, 1, tzinfo=UTC)
    root = issuing.make_root(key=key, name=name, at=begun_at, valid_for=timedelta(days=36_500))
    return issuing.Issuer(certificate=root, key=key)


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
