"""Certificates: our authorities, what they have signed, what chargers ask for, what chargers hold."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils import timezone

from chargepoints.choices import (
    AuthorityKind,
    AuthorityState,
    CertificateKind,
    CertificatePurpose,
    CertificateRequestState,
    CertificateState,
    CertificateUse,
    RevocationReason,
)
from chargepoints.models.commands import Command
from chargepoints.models.sites import ChargePoint
from chargepoints.pki.keys import KeyFamily, KeyKind
from chargepoints.pki.reading import HashData
from csms_project.common.fields import FastJSONField
from csms_project.common.models import TenantOwned, TenantQuerySet, Timestamped


class CertificateFacts(models.Model):
    """What a certificate says of itself."""

    serial_number = models.CharField(max_length=40, help_text="Hexadecimal, without leading zeroes.")
    subject = models.CharField(max_length=500)
    issuer = models.CharField(max_length=500)
    common_name = models.CharField(max_length=200, blank=True)
    organization = models.CharField(max_length=200, blank=True)
    fingerprint = models.CharField(max_length=64, unique=True, help_text="SHA-256, hexadecimal.")
    key = models.CharField(max_length=40, help_text="For example ECDSA P-256.")
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    pem = models.TextField()
    hashes = FastJSONField(
        default=dict, editable=False, help_text="Hash algorithm → issuer name hash and issuer key hash."
    )
    expiry_told_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True

    def names(self) -> list[HashData]:
        """By what a charger may name it, one for each hash algorithm."""
        return [
            HashData(
                algorithm=algorithm,
                issuer_name_hash=name_hash,
                issuer_key_hash=key_hash,
                serial_number=self.serial_number,
            )
            for algorithm, (name_hash, key_hash) in self.hashes.items()
        ]


class CertificateAuthority(CertificateFacts, Timestamped):
    """A root or an issuing authority of this installation, with its private key.

    They belong to no tenant: the gateway shows all chargers the same server certificate.
    """

    kind = models.CharField(max_length=7, choices=AuthorityKind.choices)
    family = models.CharField(max_length=3, choices=KeyFamily.choices)
    key_kind = models.CharField(max_length=10, choices=KeyKind.choices)
    state = models.CharField(max_length=7, choices=AuthorityState.choices, default=AuthorityState.ACTIVE)
    parent = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="children")
    private_key = models.TextField(editable=False, help_text="Encrypted.")
    cross_signed_pem = models.TextField(
        blank=True, editable=False, help_text="Of a new root: the same key, vouched for by the root before."
    )
    retired_at = models.DateTimeField(null=True, blank=True)
    crl = models.BinaryField(default=bytes, editable=False)
    crl_number = models.PositiveIntegerField(default=0, editable=False)
    crl_made_at = models.DateTimeField(null=True, blank=True, editable=False)
    crl_next_update = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "certificate authorities"
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "family"],
                name="authority_active",
                condition=models.Q(state=AuthorityState.ACTIVE),
            )
        ]

    def __str__(self) -> str:
        return self.common_name

    @property
    def public_name(self) -> str:
        """The name of its files below /pki/."""
        return self.fingerprint[:16]

    @property
    def is_trusted(self) -> bool:
        """Whether what it has signed is good now."""
        return self.not_before <= timezone.now() < self.not_after


class Certificate(CertificateFacts, Timestamped):
    """A certificate that we have signed or let sign for a charger or a server, or a root that others gave us."""

    # Servers and what is not of one organisation have no tenant.
    tenant = models.ForeignKey(
        "accounts.Tenant", models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    charge_point = models.ForeignKey(
        ChargePoint, models.SET_NULL, null=True, blank=True, related_name="certificates", db_index=False
    )
    kind = models.CharField(max_length=17, choices=CertificateKind.choices)
    state = models.CharField(max_length=10, choices=CertificateState.choices, default=CertificateState.ISSUED)
    authority = models.ForeignKey(
        CertificateAuthority, models.PROTECT, null=True, blank=True, related_name="certificates"
    )
    provider = models.CharField(max_length=100, blank=True, help_text="Who has signed it.")
    chain = models.TextField(blank=True, help_text="The authorities above it, without the root.")
    delivered_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="Last time a charger came with it.")
    superseded_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revocation_reason = models.CharField(max_length=24, choices=RevocationReason.choices, blank=True)
    renewal_asked_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["tenant", "-id"], name="certificate_tenant"),
            models.Index(fields=["charge_point", "-id"], name="certificate_charge_point"),
            models.Index(fields=["serial_number"], name="certificate_serial"),
            models.Index(fields=["not_after"], name="certificate_not_after"),
        ]

    def __str__(self) -> str:
        return f"{self.common_name} {self.serial_number[:12]}"

    @property
    def full_chain(self) -> str:
        """Its own first, then the authorities."""
        return self.pem + self.chain


class CertificateRequest(TenantOwned, Timestamped):
    """A charger's request for a certificate (whitepaper and 2.0.1 A02, A03).

    The newest of a charger for a purpose counts.
    """

    charge_point = models.ForeignKey(
        ChargePoint, models.CASCADE, related_name="certificate_requests", db_index=False
    )
    state = models.CharField(
        max_length=10, choices=CertificateRequestState.choices, default=CertificateRequestState.RECEIVED
    )
    # Defaults of the database: processes of the version before do not know these columns.
    purpose = models.CharField(
        max_length=26,
        choices=CertificatePurpose.choices,
        blank=True,
        default="",
        db_default="",
        help_text="Empty: the charger did not say; the connection, and vehicles where it has one for both.",
    )
    ocpp_request_id = models.BigIntegerField(
        null=True, blank=True, help_text="The charger's own number of its request (2.1)."
    )
    wanted_root = FastJSONField(
        null=True, blank=True, editable=False, help_text="The root below which it should be signed (2.1)."
    )
    received_at = models.DateTimeField()
    csr = models.TextField()
    digest = models.CharField(max_length=64, editable=False)
    subject = models.CharField(max_length=500)
    common_name = models.CharField(max_length=200)
    organization = models.CharField(max_length=200, blank=True)
    key = models.CharField(max_length=40)
    problem = models.CharField(max_length=500, blank=True, help_text="Why it waits, or why it ended.")
    attempts = models.PositiveIntegerField(default=0, help_text="Of signing, then of delivering.")
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    decided_by_name = models.CharField(max_length=150, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    certificate = models.OneToOneField(
        Certificate, models.SET_NULL, null=True, blank=True, related_name="request"
    )
    command = models.ForeignKey(Command, models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["tenant", "-id"], name="cert_request_tenant"),
            models.Index(fields=["charge_point", "-id"], name="cert_request_charge_point"),
            models.Index(
                fields=["next_attempt_at"],
                name="cert_request_due",
                condition=models.Q(state__in=["received", "signed"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.common_name} of {self.received_at:%Y-%m-%d %H:%M}"


class InstalledCertificate(TenantOwned):
    """A root that a charger holds, or its own for vehicles, by the hashes with which it names it (whitepaper §6.1)."""

    charge_point = models.ForeignKey(
        ChargePoint, models.CASCADE, related_name="installed_certificates", db_index=False
    )
    use = models.CharField(max_length=32, choices=CertificateUse.choices)
    hash_algorithm = models.CharField(max_length=10)
    issuer_name_hash = models.CharField(max_length=128)
    issuer_key_hash = models.CharField(max_length=128)
    serial_number = models.CharField(max_length=40)
    is_reported = models.BooleanField(
        help_text="Listed by the charger itself; otherwise known from an order that it has accepted."
    )
    chain = FastJSONField(
        null=True,
        blank=True,
        editable=False,
        help_text="The hashes of the authorities that stand above it in the charger (2.0.1 M03.FR.05).",
    )
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["charge_point", "use", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "charge_point",
                    "use",
                    "hash_algorithm",
                    "issuer_name_hash",
                    "issuer_key_hash",
                    "serial_number",
                ],
                name="installed_certificate_unique",
            )
        ]
        indexes = [models.Index(fields=["tenant", "-id"], name="installed_cert_tenant")]

    def __str__(self) -> str:
        return f"{self.get_use_display()} {self.serial_number}"

    @property
    def order(self) -> dict[str, Any]:
        """The arguments by which the charger is asked to delete it (M04.FR.07)."""
        names = ("hash_algorithm", "issuer_name_hash", "issuer_key_hash", "serial_number")
        return {name: getattr(self, name) for name in names}
