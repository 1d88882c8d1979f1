"""TLS of simulated charge points: whom they trust, and the certificate that they show."""

from __future__ import annotations

import ssl
import tempfile
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Tls:
    """Files in PEM; in `certificate` and `key` the text {identity} stands for the charge point's own.

    authorities  who signs the certificate of the CSMS; empty: those that this machine trusts
    is_blind     trust any certificate, for tests
    """

    authorities: str = ""
    certificate: str = ""
    key: str = ""
    is_blind: bool = False

    def context(self, identity: str, *, with_certificate: bool, own: bytes = b"") -> ssl.SSLContext:
        """How to connect as this charge point.

        own     certificate chain and key that the CSMS has had signed; goes before the files
        Raises  OSError, of which ssl.SSLError is one
        """
        context = ssl.create_default_context(cafile=self.authorities or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.is_blind:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if with_certificate and own:
            with tempfile.NamedTemporaryFile(suffix=".pem") as file:  # readable for us alone
                file.write(own)
                file.flush()
                context.load_cert_chain(file.name)
        elif with_certificate and self.certificate:
            files = [name.replace("{identity}", identity) or None for name in (self.certificate, self.key)]
            context.load_cert_chain(str(files[0]), files[1])
        return context
