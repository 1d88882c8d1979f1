"""What a charger answers about the certificates that it holds, in the words of 2.x (and of Plug & Charge in 1.6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from django.utils import timezone

from chargepoints.choices import CertificateUse
from chargepoints.models import Command
from chargepoints.pki.reading import HashData
from chargepoints.services import installed_certificates
from ocpp_gateway.outcome import Effect

Payload = dict[str, Any]

#: Our word → that of 2.x, where it is another one (2.0.1 InstallCertificateUseEnumType).
_OTHER_WORDS = {CertificateUse.CENTRAL_SYSTEM.value: "CSMSRootCertificate"}
_OURS = {theirs: ours for ours, theirs in _OTHER_WORDS.items()}
_ANSWERED = ("Accepted", "NotFound")

SENTENCES = {
    ("GetInstalledCertificateIds", "NotFound"): "The charger holds no certificate of this kind.",
    (
        "InstallCertificate",
        "Failed",
    ): "The certificate is good, but the charger could not install it.",
    ("InstallCertificate", "Rejected"): "The charger finds the certificate wrong, or has no room for it.",
    ("DeleteCertificate", "Failed"): "The charger could not delete the certificate, or needs it itself.",
    ("DeleteCertificate", "NotFound"): "The charger has no such certificate.",
    ("CertificateSigned", "Rejected"): "The charger finds the certificate wrong.",
}


def their_use(use: str) -> str:
    """The kind of a certificate as 2.x calls it."""
    return _OTHER_WORDS.get(use, use)


def our_use(use: object) -> str:
    """The kind of a certificate as we call it."""
    return _OURS.get(str(use), str(use))


def hash_data(item: Mapping[str, Any]) -> HashData:
    """CertificateHashDataType."""
    return HashData(
        algorithm=str(item.get("hashAlgorithm", "")),
        issuer_name_hash=str(item.get("issuerNameHash", "")),
        issuer_key_hash=str(item.get("issuerKeyHash", "")),
        serial_number=str(item.get("serialNumber", "")),
    )


def tell_chains(response: Payload) -> str:
    """GetInstalledCertificateIds: one line for each certificate."""
    return "\n".join(
        f"{use}: serial number {name.serial_number}, {name.algorithm}, issuer name {name.issuer_name_hash}, "
        f"issuer key {name.issuer_key_hash}."
        for use, name, _ in _chains(response)
    )


def _chains(response: Payload) -> Iterable[tuple[str, HashData, list[HashData]]]:
    """Kind in the charger's words, the certificate, and those above it."""
    chains = response.get("certificateHashDataChain")
    for chain in chains if isinstance(chains, list) else ():
        name = chain.get("certificateHashData") if isinstance(chain, Mapping) else None
        if isinstance(name, Mapping):
            above = chain.get("childCertificateHashData") or ()
            found = [hash_data(item) for item in above if isinstance(item, Mapping)]
            yield str(chain.get("certificateType", "")), hash_data(name), found


def effects(action: str, request: Payload, response: Payload) -> Sequence[Effect]:
    """What an answer tells us about what the charger holds."""
    status = response.get("status")
    match action:
        case "GetInstalledCertificateIds" if status in _ANSWERED:
            return [partial(_keep_listed, request, response)]
        case "InstallCertificate" if status == "Accepted":
            return [partial(_keep_taken, request)]
        case "DeleteCertificate" if status in _ANSWERED:
            return [partial(_drop, request)]
    return ()


def _keep_listed(request: Payload, response: Payload, command: Command) -> None:
    """What was not asked for is not known; without a kind everything was (2.0.1 M03.FR.03)."""
    asked = request.get("certificateType")
    asked = asked if isinstance(asked, list) else []
    uses = {our_use(use) for use in asked} or set(CertificateUse.values)
    found = [(our_use(use), name, above) for use, name, above in _chains(response)]
    for use in sorted(uses):
        installed_certificates.listed(
            command.charge_point_id,
            use,
            [name for kind, name, _ in found if kind == use],
            at=timezone.now(),
            chains={name.key(): above for kind, name, above in found if kind == use and above},
        )


def _keep_taken(request: Payload, command: Command) -> None:
    use, pem = our_use(request.get("certificateType", "")), str(request.get("certificate", ""))
    installed_certificates.taken(command.charge_point_id, use, pem, at=timezone.now())


def _drop(request: Payload, command: Command) -> None:
    name = request.get("certificateHashData")
    if isinstance(name, Mapping):
        installed_certificates.deleted(command.charge_point_id, hash_data(name))
