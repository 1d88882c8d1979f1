"""Certificates in the charger (OCPP 1.6 security whitepaper, use cases A02, M03–M05)."""

from __future__ import annotations

from typing import Any

from chargepoints.command_fields import SEND_DANGEROUS, CommandSpec, FieldSpec
from chargepoints.plug_and_charge import ISO_ROOTS

_USE = FieldSpec(
    name="certificate_type",
    type="enum",
    label="Certificate",
    required=True,
    choices=("CentralSystemRootCertificate", "ManufacturerRootCertificate", *ISO_ROOTS),
    choice_labels=(
        "Ours: the charger knows this system by it",
        "The manufacturer's: the charger knows firmware by it",
        "Plug & Charge, V2G root: vehicles know the charger by it",
        "Plug & Charge, MO root: the charger knows contracts by it",
    ),
)
_SCOPE = FieldSpec(
    name="scope",
    type="enum",
    label="For",
    choices=("connection", "plug_and_charge"),
    choice_labels=("The connection and firmware", "Plug & Charge (ISO 15118)"),
    help="Empty: the connection and firmware.",
)


def _check_pem(field: str) -> Any:
    """A check that this field holds certificates and no key; whether they are good is for the charger to say."""

    def check(given: dict[str, Any]) -> dict[str, str]:
        text: str = given[field]
        if "PRIVATE KEY-----" in text:
            return {field: "This holds a private key, which must never be sent. Leave only the certificate."}
        if "-----BEGIN CERTIFICATE-----" not in text:
            return {field: "Must be a certificate in PEM: -----BEGIN CERTIFICATE----- and so on."}
        return {}

    return check


CERTIFICATES = (
    CommandSpec(
        action="get_installed_certificate_ids",
        label="List certificates",
        description="Which root certificates the charger holds.",
        fields=(_USE,),
    ),
    CommandSpec(
        action="install_certificate",
        label="Install a certificate",
        description="Give the charger a root certificate that it trusts.",
        fields=(
            _USE,
            FieldSpec(
                name="certificate",
                type="string",
                label="Root certificate",
                required=True,
                max_length=5500,
                help="In PEM: -----BEGIN CERTIFICATE----- and so on.",
            ),
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Let the charger trust this certificate?",
        check=_check_pem("certificate"),
    ),
    CommandSpec(
        action="delete_certificate",
        label="Delete a certificate",
        description="Remove a root certificate. “List certificates” shows what to enter here.",
        fields=(
            FieldSpec(
                name="hash_algorithm",
                type="enum",
                label="Hash",
                required=True,
                choices=("SHA256", "SHA384", "SHA512"),
                help="As the charger has reported it.",
            ),
            FieldSpec(
                name="issuer_name_hash", type="string", label="Issuer name", required=True, max_length=128
            ),
            FieldSpec(
                name="issuer_key_hash", type="string", label="Issuer key", required=True, max_length=128
            ),
            FieldSpec(
                name="serial_number",
                type="string",
                label="Serial number",
                required=True,
                max_length=40,
                help="Hexadecimal.",
            ),
            _SCOPE,
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Delete this certificate? Without the right one the charger can no longer connect.",
    ),
    CommandSpec(
        action="certificate_signed",
        label="Deliver the charger's certificate",
        description="Give the charger the signed certificate that it has asked for.",
        fields=(
            FieldSpec(
                name="certificate_chain",
                type="string",
                label="Certificate",
                required=True,
                max_length=10_000,
                help="In PEM: the charger's own first, then those of the authorities that signed it.",
            ),
            _SCOPE,
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Let the charger use this certificate?",
        check=_check_pem("certificate_chain"),
    ),
)
