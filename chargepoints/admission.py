"""Whether a charger may speak, and with which security profile: a pure decision at its handshake.

A charger has one profile. It is refused with any other one (whitepaper A00.FR.002): with a lower one always, with a
higher one unless OCPP_ACCEPT_HIGHER_PROFILE says otherwise. While an upgrade is under way the old profile and the new
one both work, until the first success with the new one (A05.FR.08, .09).

Spec: OCPP-J 1.6 §6.2; OCPP 1.6 security whitepaper and 2.0.1 A00, A05.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from chargepoints.choices import RefusalReason, SecurityProfile
from chargepoints.client_certificates import ClientCertificate, find_fault
from chargepoints.keys import verify_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a handshake has shown.

    password     the Basic password as sent, None when there was no usable Authorization header
    is_text      in this version of OCPP it is text
    certificate  the client certificate of the TLS below, None when there was none
    """

    is_secure: bool = False
    username: bytes | None = None
    password: bytes | None = field(default=None, repr=False)
    is_text: bool = False
    certificate: ClientCertificate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is asked of a charger.

    pending_profile  that of an upgrade under way, None: there is none
    key_hashes       those that work now, the newest too while it is not proven
    names            what the common name of its certificate may be
    organisations    whose the certificate may be
    """

    identity_key: str
    profile: int
    pending_profile: int | None = None
    key_hashes: tuple[str, ...] = field(default=(), repr=False)
    names: tuple[str, ...] = ()
    organisations: Collection[str] = ()
    accept_higher: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The profile that the charger has met; or why it is refused, and the HTTP status that says so."""

    profile: int
    reason: RefusalReason | None = None
    http_status: int = 101
    detail: str = ""


def judge(evidence: Evidence, terms: Terms) -> Verdict:
    """Find the highest profile that is welcome and met; else say why the charger's own one is not."""
    welcome = {terms.profile}
    if terms.pending_profile is not None and terms.pending_profile > terms.profile:
        welcome.add(terms.pending_profile)
    if terms.accept_higher:
        welcome |= {profile for profile in SecurityProfile if profile > terms.profile > SecurityProfile.NONE}
    verdicts = [_try(profile, evidence, terms) for profile in sorted(welcome, reverse=True)]
    met = next((verdict for verdict in verdicts if verdict.reason is None), None)
    return met if met is not None else _refuse(evidence, terms, verdicts)


def shown_profile(evidence: Evidence) -> int:
    """The profile that the charger uses, whether its proofs are right or not."""
    if not evidence.is_secure:
        return SecurityProfile.NONE if evidence.password is None else SecurityProfile.BASIC
    if evidence.password is None and evidence.certificate is not None:
        return SecurityProfile.TLS_CERTIFICATE
    return SecurityProfile.TLS_BASIC


def _try(profile: int, evidence: Evidence, terms: Terms) -> Verdict:
    match profile:
        case SecurityProfile.NONE:
            return Verdict(profile=profile)
        case SecurityProfile.BASIC if evidence.is_secure:
            return _other(profile, f"came with TLS (profile {shown_profile(evidence)}), is set to profile 1")
        case SecurityProfile.BASIC:
            return _check_key(profile, evidence, terms)
        case _ if not evidence.is_secure:
            return _other(profile, f"set to profile {profile}, came without TLS")
        case SecurityProfile.TLS_BASIC:
            return _check_key(profile, evidence, terms)
        case _:
            return _check_certificate(profile, evidence, terms)


def _refuse(evidence: Evidence, terms: Terms, verdicts: list[Verdict]) -> Verdict:
    """Of several reasons that of the profile which the charger has tried; of others that of its own."""
    tried = shown_profile(evidence)
    chosen = next((verdict for verdict in verdicts if verdict.profile == tried), verdicts[-1])
    # A key that is wrong says more than the profile that it was wrong for.
    return chosen


def _other(profile: int, detail: str) -> Verdict:
    return Verdict(profile=profile, reason=RefusalReason.SECURITY_PROFILE, http_status=403, detail=detail)


def _check_key(profile: int, evidence: Evidence, terms: Terms) -> Verdict:
    def unauthorized(reason: RefusalReason, detail: str = "") -> Verdict:
        return Verdict(profile=profile, reason=reason, http_status=401, detail=detail)

    if evidence.password is None or evidence.username is None:
        return unauthorized(RefusalReason.NO_CREDENTIALS)
    if not terms.key_hashes:
        return unauthorized(RefusalReason.NO_KEY_SET)
    try:
        same_name = evidence.username.decode().casefold() == terms.identity_key
    except UnicodeDecodeError:
        same_name = False
    if not same_name:
        return unauthorized(RefusalReason.WRONG_KEY, "user name is not the identity")
    password, text_only = evidence.password, evidence.is_text
    if not any(verify_key(password, stored, text_only=text_only) for stored in terms.key_hashes):
        return unauthorized(RefusalReason.WRONG_KEY)
    return Verdict(profile=profile)


def _check_certificate(profile: int, evidence: Evidence, terms: Terms) -> Verdict:
    if evidence.certificate is None:
        return _other(profile, f"set to profile {profile}, came without a client certificate")
    fault = find_fault(evidence.certificate, names=terms.names, organisations=terms.organisations)
    if fault:
        return Verdict(profile=profile, reason=RefusalReason.CERTIFICATE, http_status=403, detail=fault[:255])
    return Verdict(profile=profile)
