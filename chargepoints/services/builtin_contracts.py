"""The built-in authority as a Plug & Charge provider: certificates for vehicles, OCSP, contracts of known roots.

It answers for the certificates that the built-in authority has signed, asks the responders that `OCSP_RESPONDERS`
names for others, and believes contracts below the roots that are kept here.  Contract certificates it has none.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import pairwise

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID
from django.db import connection
from django.utils import timezone

from chargepoints import responders
from chargepoints.choices import CertificateKind, CertificateState
from chargepoints.errors import NoAuthority
from chargepoints.models import Certificate, CertificateAuthority
from chargepoints.pki import issuing, keys, ocsp, reading, requests
from chargepoints.pki.reading import HashData
from chargepoints.plug_and_charge import (
    Contract,
    ContractStatus,
    EvRequest,
    KnownStatus,
    OcspRequest,
    PlugAndChargeProvider,
    ProviderError,
    StatusAnswer,
    StatusQuestion,
)
from chargepoints.services import authorities
from csms_project.common import crypto

VALID_FOR = timedelta(days=60)
#: How long an answer about a certificate of ours is good: chargers ask anew once a week (2.0.1 M06.FR.10).
ANSWER_LIFE = timedelta(days=7)
#: An answer that names no end is asked for anew after so long.
SHORT_LIFE = timedelta(minutes=5)
_CONTRACT_ROOTS = (CertificateKind.MO_ROOT, CertificateKind.V2G_ROOT)
_MAX_CHAIN = 5
_MAX_REMEMBERED = 5_000


@contextmanager
def _alone() -> Iterator[None]:
    """Leave no database connection open in the thread that asks."""
    try:
        yield
    finally:
        if not connection.in_atomic_block:
            connection.close()


class BuiltinPlugAndCharge(PlugAndChargeProvider):
    """Signs, and says what is good, by the built-in authority and the roots that are kept here."""

    def __init__(self) -> None:
        self._remembered: dict[tuple[str, ...], tuple[datetime, ocsp.Said]] = {}
        self._lock = threading.Lock()

    def problem(self) -> str:
        return "" if authorities.is_ready() else str(NoAuthority())

    # ---- certificates of chargers for vehicles

    def sign(self, csr: str, *, reference: str) -> str:
        try:
            request = requests.read(csr)
        except requests.BadRequest as error:
            raise ProviderError(str(error)) from error
        authority = authorities.find_issuing(keys.KeyFamily.EC)
        if authority is None:
            raise ProviderError(str(NoAuthority()))
        made = issuing.make_for_vehicles(
            _issuer(authority), request=request, at=timezone.now(), valid_for=VALID_FOR
        )
        return reading.to_pem(made) + authorities.chain_pem(authority)

    # ---- status

    @_alone()
    def ocsp_response(self, request: OcspRequest) -> str:
        name, now = request.name, timezone.now()
        own = _own_response(name, now)
        if own is None:
            own, said = self._outside(name, request.responder_url, now)
            self._remember(name, said, now)
        return base64.b64encode(own).decode()

    @_alone()
    def certificate_state(self, question: StatusQuestion) -> StatusAnswer:
        now = timezone.now()
        own = _own_response(question.name, now)
        if own is not None:
            said = ocsp.read_response(own, name=question.name, at=now)
        elif question.source == "CRL":
            return self._by_list(question, now)
        else:
            said = self._ask_any(question.name, question.urls, now)
        return StatusAnswer(status=_known(said.fate), next_update=said.next_update)

    def _by_list(self, question: StatusQuestion, now: datetime) -> StatusAnswer:
        """2.1 M07.FR.04–07; a list counts that the certificate's issuer has signed, whom we know."""
        issuer = _issuer_named(question.name)
        if issuer is None:
            raise ProviderError("The issuer of the certificate is not known here.")
        problem = ""
        for url in question.urls:
            try:
                found = _read_list(responders.fetch_crl(url), issuer, now)
            except (responders.NotAsked, ValueError) as error:
                problem = str(error)
                continue
            number = int(question.name.serial_number, 16)
            is_listed = found.get_revoked_certificate_by_serial_number(number) is not None
            return StatusAnswer(
                status=KnownStatus.REVOKED if is_listed else KnownStatus.GOOD,
                next_update=found.next_update_utc,
            )
        raise ProviderError(problem or "No address of a revocation list was given.")

    def _ask_any(self, name: HashData, urls: Sequence[str], now: datetime) -> ocsp.Said:
        problem = "No address of a responder was given."
        for url in urls:
            try:
                return self._known_or_asked(name, url, now)
            except ProviderError as error:
                problem = str(error)
        raise ProviderError(problem)

    def _known_or_asked(self, name: HashData, url: str, now: datetime) -> ocsp.Said:
        """What is remembered of an answer, as long as it is good (2.0.1 C07.FR.05); else a new one."""
        kept = self._remembered.get(name.key())
        if kept is not None and kept[0] > now:
            return kept[1]
        own = _own_response(name, now)
        if own is not None:
            return ocsp.read_response(own, name=name, at=now)
        _, said = self._outside(name, url, now)
        self._remember(name, said, now)
        return said

    def _outside(self, name: HashData, url: str, now: datetime) -> tuple[bytes, ocsp.Said]:
        try:
            answer = responders.ask_ocsp(url, ocsp.make_request(name))
            issuer = _issuer_named(name)
            known = [issuer] if issuer is not None else []
            return answer, ocsp.read_response(answer, name=name, issuers=known, at=now)
        except (responders.NotAsked, ocsp.BadOcsp) as error:
            raise ProviderError(str(error)) from error

    def _remember(self, name: HashData, said: ocsp.Said, now: datetime) -> None:
        until = min(said.next_update or now + SHORT_LIFE, now + ANSWER_LIFE)
        with self._lock:
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[name.key()] = (until, said)

    # ---- contracts

    @_alone()
    def contract_status(self, contract: Contract) -> ContractStatus:
        now = timezone.now()
        chain = _read_chain(contract.certificate)
        if chain:
            problem = _fault_of(chain, contract.emaid, now)
            if problem is not None:
                return problem
        asked = [(item.name, item.responder_url) for item in contract.hashes] or _questions(chain)
        fates = [self._proven_fate(name, url, now) for name, url in asked]
        if any(fate is not None and fate.revoked_at is not None for fate in fates):
            return ContractStatus.REVOKED
        is_good = bool(fates) and all(fate is not None and fate.is_known for fate in fates)
        return ContractStatus.VALID if is_good else ContractStatus.UNVERIFIABLE

    def _proven_fate(self, name: HashData, url: str, now: datetime) -> ocsp.Fate | None:
        """None: nobody says, or nobody proves that it is he who says it."""
        said = self._known_or_asked(name, url, now)
        if not said.is_proven:
            raise ProviderError(
                "The responder's answer cannot be checked: keep the authority that has issued the certificate here."
            )
        return said.fate

    def ev_response(self, request: EvRequest) -> str:
        raise ProviderError(
            "The built-in provider holds no contract certificates: set up a provider that does."
        )


# ---------------------------------------------------------------- our own
def _own_response(name: HashData, now: datetime) -> bytes | None:
    """What our authority says of a certificate that it has signed; None: it is somebody else's."""
    authority = _authority_named(name)
    if authority is None:
        return None
    try:
        return ocsp.make_response(
            _issuer(authority), name=name, fate=_own_fate(authority, name), at=now, valid_for=ANSWER_LIFE
        )
    except ocsp.BadOcsp as error:
        raise ProviderError(str(error)) from error


def _own_fate(authority: CertificateAuthority, name: HashData) -> ocsp.Fate:
    serial = name.key()[3]
    row = Certificate.objects.filter(authority=authority, serial_number=serial).first()
    row = row or _for_vehicles(authority, serial)
    if row is not None and row.state == CertificateState.REVOKED:
        return ocsp.Fate(revoked_at=row.revoked_at, reason=row.revocation_reason)
    below = CertificateAuthority.objects.filter(parent=authority, serial_number=serial)
    return ocsp.Fate(is_known=row is not None or below.exists())


def _for_vehicles(authority: CertificateAuthority, serial: str) -> Certificate | None:
    """What was signed for vehicles comes through the provider, and names its issuer in words alone."""
    rows = Certificate.objects.filter(kind=CertificateKind.V2G, serial_number=serial)
    found: Certificate | None = rows.filter(issuer=authority.subject).first()
    return found


def _authority_named(name: HashData) -> CertificateAuthority | None:
    """The authority of ours that issues certificates of this name."""
    for row in CertificateAuthority.objects.all():
        if _names_issuer(reading.load(row.pem), name):
            return row
    return None


def _names_issuer(issuer: x509.Certificate, name: HashData) -> bool:
    algorithm, _, key_hash, _ = name.key()
    return algorithm in reading.ALGORITHMS and reading.key_hash(issuer, algorithm) == key_hash


def _issuer(authority: CertificateAuthority) -> issuing.Issuer:
    try:
        return authorities.issuer_of(authority)
    except crypto.InvalidToken as error:
        raise ProviderError(
            "The authority's key cannot be decrypted: FIELD_ENCRYPTION_KEYS no longer holds its key."
        ) from error


# ---------------------------------------------------------------- others
def _roots() -> list[x509.Certificate]:
    """Those below which contracts are believed."""
    kept = Certificate.objects.filter(kind__in=_CONTRACT_ROOTS, not_after__gt=timezone.now())
    return [reading.load(pem) for pem in kept.values_list("pem", flat=True)]


def _issuer_named(name: HashData) -> x509.Certificate | None:
    """A certificate that is kept here and has issued the one of this name."""
    return next((one for one in _roots() if _names_issuer(one, name)), None)


def _known(fate: ocsp.Fate) -> KnownStatus:
    if fate.revoked_at is not None:
        return KnownStatus.REVOKED
    return KnownStatus.GOOD if fate.is_known else KnownStatus.UNKNOWN


def _read_list(data: bytes, issuer: x509.Certificate, now: datetime) -> x509.CertificateRevocationList:
    is_pem = b"-----BEGIN" in data
    found = x509.load_pem_x509_crl(data) if is_pem else x509.load_der_x509_crl(data)
    if not found.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]
        raise ValueError("The revocation list is not signed by the issuer of the certificate.")
    if found.next_update_utc is not None and found.next_update_utc < now:
        raise ValueError("The revocation list is out of date.")
    return found


def _read_chain(text: str) -> list[x509.Certificate]:
    """The contract's certificate and those above it, the root among them if it is known here."""
    if not text:
        return []
    try:
        chain = reading.load_all(text)
    except reading.UnreadableCertificate as error:
        raise ProviderError("The contract certificate cannot be read.") from error
    if len(chain) > _MAX_CHAIN:
        raise ProviderError("The chain of the contract certificate is too long.")
    root = next((one for one in _roots() if reading.is_issued_by(chain[-1], one)), None)
    if root is not None and root != chain[-1]:
        chain.append(root)
    return chain


def _fault_of(chain: list[x509.Certificate], emaid: str, now: datetime) -> ContractStatus | None:
    """What is wrong with a chain, apart from revocation; None: nothing."""
    if any(now > one.not_valid_after_utc for one in chain):
        return ContractStatus.EXPIRED
    is_whole = all(
        now >= own.not_valid_before_utc and reading.is_issued_by(own, above) and _is_authority(above)
        for own, above in pairwise(chain)
    )
    fingerprints = {reading.fingerprint_of(root) for root in _roots()}
    if not is_whole or len(chain) < 2 or reading.fingerprint_of(chain[-1]) not in fingerprints:
        return ContractStatus.UNVERIFIABLE
    named = _plain(reading.name_part(chain[0].subject, NameOID.COMMON_NAME))
    return None if named == _plain(emaid) else ContractStatus.UNVERIFIABLE


def _plain(emaid: str) -> str:
    """An eMAID is the same with and without its separators."""
    return emaid.replace("-", "").strip().casefold()


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _questions(chain: list[x509.Certificate]) -> list[tuple[HashData, str]]:
    """Of each certificate below the root: its name, and where its issuer answers."""
    return [(reading.hash_data(own, above), _responder_of(own)) for own, above in pairwise(chain)]


def _responder_of(certificate: x509.Certificate) -> str:
    try:
        places = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return ""
    for place in places:
        is_url = isinstance(place.access_location, x509.UniformResourceIdentifier)
        if place.access_method == AuthorityInformationAccessOID.OCSP and is_url:
            return str(place.access_location.value)
    return ""
