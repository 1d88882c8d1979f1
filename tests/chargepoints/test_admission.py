"""Who may speak with which security profile: OCPP 1.6 security whitepaper A00, A05.  One table."""

from __future__ import annotations

from typing import Any

import pytest

from chargepoints.admission import Evidence, Terms, judge, shown_profile
from chargepoints.client_certificates import ClientCertificate, find_fault
from chargepoints.keys import hash_key
from tests.factories import CHARGER_KEY

KEY = bytes.fromhex(CHARGER_KEY)
HASH = hash_key(CHARGER_KEY)
GOOD = ClientCertificate(common_names=("SN-1",), organisations=("Volta Works",))
FOREIGN = ClientCertificate(common_names=("SN-2",), organisations=("Volta Works",))
EXPIRED = ClientCertificate(common_names=("SN-1",), organisations=("Volta Works",), problem="it expired")

#: What a charger may come with: without TLS and with.
PLAIN = Evidence()
PLAIN_KEY = Evidence(username=b"CP-A", password=KEY)
PLAIN_WRONG = Evidence(username=b"CP-A", password=b"wrong")
PLAIN_CERT = Evidence(certificate=GOOD)  # a proxy that says so, but not that there was TLS
TLS = Evidence(is_secure=True)
TLS_KEY = Evidence(is_secure=True, username=b"CP-A", password=KEY)
TLS_WRONG = Evidence(is_secure=True, username=b"CP-A", password=b"wrong")
TLS_CERT = Evidence(is_secure=True, certificate=GOOD)
TLS_FOREIGN = Evidence(is_secure=True, certificate=FOREIGN)
TLS_EXPIRED = Evidence(is_secure=True, certificate=EXPIRED)
TLS_BOTH = Evidence(is_secure=True, username=b"CP-A", password=KEY, certificate=GOOD)
TLS_KEY_FOREIGN = Evidence(is_secure=True, username=b"CP-A", password=KEY, certificate=FOREIGN)


def terms(profile: int, pending: int | None = None, **more: Any) -> Terms:
    given: dict[str, Any] = {
        "identity_key": "cp-a",
        "key_hashes": (HASH,),
        "names": ("CP-A", "SN-1"),
        "organisations": ("Volta Works",),
    }
    return Terms(profile=profile, pending_profile=pending, **given | more)


@pytest.mark.parametrize(
    ("profile", "evidence", "expected"),
    [
        # 0: nothing is asked.
        (0, PLAIN, 0),
        (0, PLAIN_WRONG, 0),
        (0, TLS, 0),
        (0, TLS_EXPIRED, 0),
        # 1: the key, without TLS.
        (1, PLAIN_KEY, 1),
        (1, PLAIN, "no_credentials"),
        (1, PLAIN_WRONG, "wrong_key"),
        (1, PLAIN_CERT, "no_credentials"),
        (1, TLS_KEY, "security_profile"),
        (1, TLS_CERT, "security_profile"),
        # 2: the key, over TLS.
        (2, TLS_KEY, 2),
        (2, TLS_BOTH, 2),
        (2, TLS_KEY_FOREIGN, 2),
        (2, TLS, "no_credentials"),
        (2, TLS_WRONG, "wrong_key"),
        (2, TLS_CERT, "no_credentials"),
        (2, PLAIN_KEY, "security_profile"),
        (2, PLAIN, "security_profile"),
        (2, PLAIN_CERT, "security_profile"),
        # 3: the certificate.
        (3, TLS_CERT, 3),
        (3, TLS_BOTH, 3),
        (3, Evidence(is_secure=True, username=b"CP-A", password=b"wrong", certificate=GOOD), 3),
        (3, TLS_FOREIGN, "certificate"),
        (3, TLS_EXPIRED, "certificate"),
        (3, TLS_KEY, "security_profile"),
        (3, TLS, "security_profile"),
        (3, PLAIN_KEY, "security_profile"),
        (3, PLAIN_CERT, "security_profile"),
    ],
)
def test_judge_each_profile_wants_its_own_proofs(profile: int, evidence: Evidence, expected: Any) -> None:
    verdict = judge(evidence, terms(profile))
    assert (verdict.reason.value if verdict.reason else verdict.profile) == expected
    assert verdict.http_status == {"no_credentials": 401, "wrong_key": 401}.get(
        expected, 101 if isinstance(expected, int) else 403
    )


@pytest.mark.parametrize(
    ("profile", "pending", "evidence", "expected"),
    [
        # Both work while the upgrade is under way …
        (0, 1, PLAIN, 0),
        (0, 1, PLAIN_KEY, 1),
        (0, 2, TLS_KEY, 2),
        (0, 2, TLS_WRONG, 0),
        (1, 2, PLAIN_KEY, 1),
        (1, 2, TLS_KEY, 2),
        (1, 3, TLS_CERT, 3),
        (2, 3, TLS_KEY, 2),
        (2, 3, TLS_CERT, 3),
        (2, 3, TLS_BOTH, 3),
        (2, 3, TLS_KEY_FOREIGN, 2),
        # … and nothing else does; the reason is that of the profile which was tried.
        (1, 2, TLS_WRONG, "wrong_key"),
        (1, 2, TLS, "no_credentials"),
        (1, 2, PLAIN, "no_credentials"),
        (1, 3, TLS_KEY, "security_profile"),
        (2, 3, PLAIN_KEY, "security_profile"),
        (2, 3, TLS_EXPIRED, "certificate"),
        (2, 3, TLS_WRONG, "wrong_key"),
        # A lower one is never pending.
        (2, 1, PLAIN_KEY, "security_profile"),
        (3, 2, TLS_KEY, "security_profile"),
    ],
)
def test_judge_during_an_upgrade_old_and_new_profile_work(
    profile: int, pending: int, evidence: Evidence, expected: Any
) -> None:
    verdict = judge(evidence, terms(profile, pending))
    assert (verdict.reason.value if verdict.reason else verdict.profile) == expected


@pytest.mark.parametrize(
    ("profile", "evidence", "expected"),
    [
        (1, TLS_KEY, 2),
        (1, TLS_CERT, 3),
        (1, PLAIN_KEY, 1),
        (1, TLS_WRONG, "wrong_key"),
        (1, TLS_EXPIRED, "certificate"),
        (1, PLAIN, "no_credentials"),
        (2, TLS_CERT, 3),
        (2, PLAIN_KEY, "security_profile"),
        (0, TLS_WRONG, 0),
    ],
)
def test_judge_where_a_higher_profile_is_welcome(profile: int, evidence: Evidence, expected: Any) -> None:
    verdict = judge(evidence, terms(profile, accept_higher=True))
    assert (verdict.reason.value if verdict.reason else verdict.profile) == expected


def test_judge_without_a_key_set_says_so() -> None:
    verdict = judge(PLAIN_KEY, terms(1, key_hashes=()))
    assert verdict.reason == "no_key_set"


@pytest.mark.parametrize(("username", "is_met"), [(b"cp-a", True), (b"CP-B", False), (b"\xff", False)])
def test_judge_user_name_is_the_identity(username: bytes, is_met: bool) -> None:
    verdict = judge(Evidence(username=username, password=KEY), terms(1))
    assert (verdict.reason is None) == is_met


@pytest.mark.parametrize(
    ("evidence", "profile"),
    [(PLAIN, 0), (PLAIN_KEY, 1), (TLS, 2), (TLS_KEY, 2), (TLS_BOTH, 2), (TLS_CERT, 3)],
)
def test_shown_profile(evidence: Evidence, profile: int) -> None:
    assert shown_profile(evidence) == profile


# ---------------------------------------------------------------- certificates
@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        (GOOD, ""),
        (ClientCertificate(common_names=("sn-1",), organisations=("  volta   WORKS ",)), ""),
        (ClientCertificate(common_names=("X", "SN-1"), organisations=("Y", "Volta Works")), ""),
        (ClientCertificate(common_names=("SN-10",), organisations=("Volta Works",)), "that of “SN-10”"),
        (ClientCertificate(common_names=(), organisations=("Volta Works",)), "that of nobody"),
        (ClientCertificate(common_names=("SN-1",), organisations=("Volta",)), "belongs to “Volta”, not to"),
        (ClientCertificate(common_names=("SN-1",)), "belongs to nobody"),
        (EXPIRED, "it expired"),
    ],
)
def test_find_fault_names_what_is_wrong(certificate: ClientCertificate, words: str) -> None:
    found = find_fault(certificate, names=("CP-A", "SN-1", ""), organisations=("Volta Works",))
    assert words in found
    assert bool(words) == bool(found)


def test_find_fault_empty_serial_number_is_no_name() -> None:
    certificate = ClientCertificate(common_names=("",), organisations=("Volta Works",))
    assert find_fault(certificate, names=("CP-A", ""), organisations=("Volta Works",))
