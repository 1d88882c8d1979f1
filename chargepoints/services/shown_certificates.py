"""The part of a batch that is about client certificates which chargers show: whether we know them, and what of.

Of an outside authority nothing is known here: its certificates are judged by what they say, and by revocation lists.
What was signed for a charger by us is good for that charger as long as our books say so, without any list.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from chargepoints.choices import CertificateKind, CertificateState
from chargepoints.client_certificates import ClientCertificate
from chargepoints.models import Certificate
from chargepoints.services import certificates
from csms_project.common import bulk

if TYPE_CHECKING:
    from chargepoints.services.batch import StationBatch


class Known(NamedTuple):
    """What a handshake must know of a certificate."""

    id: int
    fingerprint: str
    charge_point_id: int | None
    kind: str
    state: str
    superseded_at: datetime | None
    revoked_at: datetime | None


class ShownCertificates:
    """Certificates of the handshakes of one batch, see `StationBatch.part`."""

    def __init__(self, batch: StationBatch) -> None:
        self._now = batch.now
        self._wanted: set[str] = set()
        self._known: dict[str, Known | None] = {}
        self._used: dict[int, datetime] = {}

    def want(self, certificate: ClientCertificate | None) -> None:
        """A charger shows this one."""
        if certificate is not None and certificate.fingerprint:
            self._wanted.add(certificate.fingerprint)

    def load(self) -> None:
        """Read what was wanted: one statement, and none where nobody has shown any."""
        missing = self._wanted - self._known.keys()
        if not missing:
            return
        self._known.update(dict.fromkeys(missing))
        for row in bulk.fetch(Certificate, Known._fields, {"fingerprint": missing}):
            known = Known._make(row)
            self._known[known.fingerprint] = known

    def find(self, certificate: ClientCertificate) -> Known | None:
        """What our books have of it."""
        self.want(certificate)
        self.load()
        return self._known.get(certificate.fingerprint)

    def judged(self, certificate: ClientCertificate, charge_point_id: int) -> ClientCertificate:
        """The certificate with what our books say against it."""
        known = self.find(certificate)
        if certificate.problem or known is None:
            return certificate
        return replace(certificate, problem=self._problem(known, charge_point_id))

    def _problem(self, known: Known, charge_point_id: int) -> str:
        if known.kind != CertificateKind.CHARGER:
            return "its certificate was not made for a charger"
        if known.state == CertificateState.REVOKED:
            return f"its certificate was revoked on {known.revoked_at or self._now:%Y-%m-%d}"
        if known.charge_point_id != charge_point_id:
            return "its certificate was made for another charge point"
        if known.state == CertificateState.REJECTED:
            return "its certificate was refused by the charger when it was delivered"
        if known.state == CertificateState.SUPERSEDED:
            since = known.superseded_at or self._now
            if self._now - since > certificates.FALLBACK:
                return f"its certificate was replaced by a newer one on {since:%Y-%m-%d}"
        return ""

    def used(self, certificate: ClientCertificate, at: datetime) -> None:
        """A charger was let in with it."""
        known = self.find(certificate)
        if known is None:
            return
        if known.state in (CertificateState.ISSUED, CertificateState.DELIVERED):
            certificates.mark_used(Certificate.objects.get(pk=known.id), at=at)
        else:
            self._used[known.id] = at

    def settle(self) -> None:
        """Write what was decided so far, and read anew what is asked for next."""
        self.store()
        self._known = {}

    def store(self) -> None:
        """Write when they were used: one statement for all."""
        used, self._used = self._used, {}
        if used:
            bulk.write(Certificate, ("id",), ("last_used_at",), sorted(used.items()))
