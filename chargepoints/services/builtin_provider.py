"""The built-in authority as a provider of certificates."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from chargepoints.certificate_providers import (
    CertificateProvider,
    Order,
    ProviderError,
    Signed,
    SigningRefused,
)
from chargepoints.errors import NoAuthority
from chargepoints.pki import issuing, reading, requests
from chargepoints.services import authorities
from csms_project.common import crypto


class BuiltinProvider(CertificateProvider):
    """Signs with the newest issuing authority of the request's kind of key."""

    name = "built-in authority"

    def problem(self) -> str:
        return "" if authorities.is_ready() else str(NoAuthority())

    def sign(self, order: Order) -> Signed:
        try:
            request = requests.read(order.csr)
        except requests.BadRequest as error:
            raise SigningRefused(str(error)) from error
        authority = authorities.find_issuing(request.family)
        if authority is None:
            raise ProviderError(str(NoAuthority()))
        try:
            issuer = authorities.issuer_of(authority)
        except crypto.InvalidToken as error:
            raise ProviderError(
                "The authority's key cannot be decrypted: FIELD_ENCRYPTION_KEYS no longer holds its key."
            ) from error
        made = issuing.make_charger(
            issuer,
            public_key=request.csr.public_key(),
            name=issuing.distinguished_name(
                common_name=request.common_name, organization=request.organization
            ),
            at=timezone.now(),
            valid_for=timedelta(days=order.valid_days),
        )
        return Signed(
            certificate=reading.to_pem(made),
            chain=authorities.chain_pem(authority),
            issuer=authority.pem,
            authority_id=authority.pk,
        )
