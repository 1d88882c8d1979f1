"""Shapes of certificates, requests, authorities and what chargers hold.  Private keys are in none of them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from chargepoints.choices import CertificatePurpose, RevocationReason
from chargepoints.models import (
    Certificate,
    CertificateAuthority,
    CertificateRequest,
    SecurityEvent,
)
from chargepoints.services.installed_certificates import Held


class CertificateSerializer(serializers.ModelSerializer[Certificate]):
    """`pem` is the certificate itself, `chain` what stands above it without the root."""

    charge_point = serializers.CharField(source="charge_point.identity", read_only=True, default=None)

    class Meta:
        model = Certificate
        fields = [
            "id",
            "kind",
            "state",
            "charge_point",
            "serial_number",
            "fingerprint",
            "subject",
            "issuer",
            "common_name",
            "organization",
            "key",
            "not_before",
            "not_after",
            "authority",
            "provider",
            "pem",
            "chain",
            "delivered_at",
            "last_used_at",
            "superseded_at",
            "renewal_asked_at",
            "revoked_at",
            "revocation_reason",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class RevokeSerializer(serializers.Serializer[Any]):
    """Why."""

    reason = serializers.ChoiceField(
        choices=RevocationReason.choices, required=False, default=RevocationReason.UNSPECIFIED
    )


class CertificateRequestSerializer(serializers.ModelSerializer[CertificateRequest]):
    """`problem` says why a request waits, or why it ended."""

    charge_point = serializers.CharField(source="charge_point.identity", read_only=True)
    purpose = serializers.ChoiceField(
        choices=CertificatePurpose.choices,
        allow_blank=True,
        read_only=True,
        help_text="As the charger has said; empty: it did not say.",
    )

    class Meta:
        model = CertificateRequest
        fields = [
            "id",
            "charge_point",
            "purpose",
            "state",
            "problem",
            "received_at",
            "subject",
            "common_name",
            "organization",
            "key",
            "csr",
            "attempts",
            "next_attempt_at",
            "decided_by_name",
            "decided_at",
            "ended_at",
            "certificate",
        ]
        read_only_fields = fields


class RefuseSerializer(serializers.Serializer[Any]):
    """Why, in words."""

    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=300)


class AuthoritySerializer(serializers.ModelSerializer[CertificateAuthority]):
    """`state` active: it signs; retired: it is trusted until it expires."""

    crl_url = serializers.SerializerMethodField(help_text="Path of its revocation list.")

    class Meta:
        model = CertificateAuthority
        fields = [
            "id",
            "kind",
            "family",
            "state",
            "parent",
            "common_name",
            "organization",
            "subject",
            "issuer",
            "serial_number",
            "fingerprint",
            "key",
            "not_before",
            "not_after",
            "retired_at",
            "pem",
            "cross_signed_pem",
            "crl_url",
            "crl_made_at",
            "crl_next_update",
        ]
        read_only_fields = fields

    def get_crl_url(self, row: CertificateAuthority) -> str:
        return f"/pki/{row.public_name}.crl"


class BundleSerializer(serializers.Serializer[Any]):
    """Certificates in PEM, one after the other."""

    roots = serializers.CharField(help_text="What chargers and programs must trust.")
    bundle = serializers.CharField(help_text="Roots and issuing authorities.")


class InstalledNameSerializer(serializers.Serializer[Any]):
    """A certificate by its hashes."""

    algorithm = serializers.CharField()
    issuer_name_hash = serializers.CharField()
    issuer_key_hash = serializers.CharField()
    serial_number = serializers.CharField()


class HeldSerializer(serializers.Serializer[Held]):
    """A certificate in a charger; `name` is what we know it as, null if it is none of ours.

    `chain`: of the charger's own for vehicles, the hashes of the authorities above it.
    """

    id = serializers.IntegerField(source="row.pk")
    certificate_type = serializers.CharField(source="row.use")
    hash_algorithm = serializers.CharField(source="row.hash_algorithm")
    issuer_name_hash = serializers.CharField(source="row.issuer_name_hash")
    issuer_key_hash = serializers.CharField(source="row.issuer_key_hash")
    serial_number = serializers.CharField(source="row.serial_number")
    is_reported = serializers.BooleanField(
        source="row.is_reported", help_text="Listed by the charger; otherwise known from an accepted order."
    )
    is_last = serializers.BooleanField(help_text="The only one of its type that we know of.")
    name = serializers.CharField(source="known.common_name", default=None, allow_null=True)
    fingerprint = serializers.CharField(source="known.fingerprint", default=None, allow_null=True)
    chain = InstalledNameSerializer(source="row.chain", many=True, allow_null=True)
    updated_at = serializers.DateTimeField(source="row.updated_at")


class SecurityEventSerializer(serializers.ModelSerializer[SecurityEvent]):
    """`severity` follows from the type; `is_alert` from the organisation's rule when the event arrived."""

    charge_point = serializers.CharField(source="charge_point.identity", read_only=True)
    severity = serializers.ChoiceField(choices=["critical", "normal"], read_only=True)

    class Meta:
        model = SecurityEvent
        fields = [
            "id",
            "charge_point",
            "type",
            "severity",
            "tech_info",
            "at",
            "received_at",
            "is_alert",
            "acknowledged_at",
            "acknowledged_by_name",
        ]
        read_only_fields = fields
