"""Official test cases of block A that need a real TLS handshake, with chargers of OCPP 2.0.1."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography import x509
from pytest_django.plugin import DjangoDbBlocker
from websockets.exceptions import InvalidStatus

from chargepoints.choices import RefusalReason, SecurityProfile
from chargepoints.models import SecurityEvent
from tests.certificates import DAY, Authority
from tests.e2e.conftest import register
from tests.e2e.product import Database, Product, wait_until
from tests.e2e.sockets import Charger
from tests.e2e.test_tls import (
    CA,
    NOW,
    PATIENT,
    REQUIRED_SUITES,
    command,
    refusal,
    s_client,
    tls_socket,
    trust,
    upgrade,
    write_files,
    wss,
)

pytestmark = pytest.mark.server
case = pytest.mark.testcase
V201 = "ocpp2.0.1"
STRANGER = Authority.root("Nobody knows")
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl program")


@pytest.fixture(scope="module")
def started(template: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    directory = write_files(tmp_path_factory.mktemp("tls201"))
    database = Database(directory).create(template)
    made = Product(database=database, directory=directory, command=command(directory), extra=PATIENT).start()
    yield made
    made.stop()
    database.drop()


@pytest.fixture
def product(started: Product, django_db_blocker: DjangoDbBlocker) -> Iterator[Product]:
    with django_db_blocker.unblock(), started.database.as_default():
        yield started


def boot(product: Product, identity: str, context: ssl.SSLContext, **station: Any) -> str:
    payload = {
        "reason": "PowerUp",
        "chargingStation": {"vendorName": "Volta Works", "model": "AC-Duo", **station},
    }
    with Charger(wss(product), identity, version=V201, ssl=context) as charger:
        return str(charger.call("BootNotification", payload)["status"])


@case("TC_A_04_CSMS")
@pytest.mark.parametrize("suite", REQUIRED_SUITES)
def test_tc_a_04_valid_server_certificate(product: Product, suite: str) -> None:
    """TLS - server-side certificate - Valid certificate

    A00.FR.306, .307, .312, .318, .321, .502, .503, .507, .508, .510
    """
    identity = f"A04-{REQUIRED_SUITES.index(suite)}"
    register(identity, security_profile=SecurityProfile.TLS_BASIC)
    with tls_socket(product, trust(ciphers=suite)) as secured:
        name, version, _ = secured.cipher() or ("", "", 0)
        shown = x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")
    assert (name, version) == (suite, "TLSv1.2")
    key: Any = shown.public_key()
    assert key.key_size >= (2048 if type(key).__name__.startswith("RSA") else 224)
    assert shown.serial_number > 0
    assert shown.subject.rfc4514_string()
    assert boot(product, identity, trust(ciphers=suite)) == "Accepted"


@needs_openssl
@case("TC_A_06_CSMS")
def test_tc_a_06_tls_version_too_low(product: Product) -> None:
    """TLS - server-side certificate - TLS version too low (A00.FR.314, .315, .417, .418)"""
    register("A06", security_profile=SecurityProfile.TLS_BASIC)
    for version in ("-tls1", "-tls1_1"):
        output = s_client(product, version, "-cipher", "DEFAULT:@SECLEVEL=0")
        assert "Cipher is (NONE)" in output
    assert boot(product, "A06", trust()) == "Accepted"


@case("TC_A_07_CSMS")
def test_tc_a_07_valid_client_certificate(product: Product) -> None:
    """TLS - Client-side certificate - valid certificate (A00.FR.409, .410, .415, .416, .421)"""
    register("A07", security_profile=SecurityProfile.TLS_CERTIFICATE, serial_number="SN-A07")
    assert boot(product, "A07", trust(CA.client("SN-A07")), serialNumber="SN-A07") == "Accepted"


@case("TC_A_08_CSMS")
@pytest.mark.parametrize(
    ("identity", "own", "is_alert"),
    [
        pytest.param("A08-U", STRANGER.client("SN-A08"), True, id="unknown"),
        pytest.param("A08-E", CA.client("SN-A08", starts=NOW - 9 * DAY, ends=NOW - DAY), False, id="expired"),
        pytest.param("A08-O", CA.client("SN-OTHER"), False, id="other-serial-number"),
    ],
)
def test_tc_a_08_invalid_client_certificate(
    product: Product, identity: str, own: Any, is_alert: bool
) -> None:
    """TLS - Client-side certificate - Invalid certificate (A00.FR.405, .407, .409, .410)"""
    register(identity, security_profile=SecurityProfile.TLS_CERTIFICATE, serial_number="SN-A08")
    assert upgrade(product, identity, trust(own)) == (0 if is_alert else 403)
    refusal("TLS: 127.0.0.1" if is_alert else identity, RefusalReason.CERTIFICATE)
    assert boot(product, identity, trust(CA.client("SN-A08")), serialNumber="SN-A08") == "Accepted"


def test_boot_of_another_serial_number_than_the_certificate_ends_the_connection(product: Product) -> None:
    """B01.FR.11, B01.FR.12"""
    register("B01", security_profile=SecurityProfile.TLS_CERTIFICATE, serial_number="SN-B01")
    context = trust(CA.client("SN-B01"))
    payload = {
        "reason": "PowerUp",
        "chargingStation": {"vendorName": "Volta Works", "model": "AC-Duo", "serialNumber": "SN-B02"},
    }
    with Charger(wss(product), "B01", version=V201, ssl=context) as charger:
        assert charger.call("BootNotification", payload)["status"] == "Rejected"
        assert charger.closed_with() == 1008
    wait_until(
        SecurityEvent.objects.filter(type="CertificateOfAnotherCharger").exists, "it is a security event"
    )


@case("TC_A_19_CSMS")
def test_tc_a_19_lower_profile_is_refused_after_the_upgrade(product: Product) -> None:
    """Upgrade Charging Station Security Profile - Accepted, steps 10–12: the old profile never works again

    A05.FR.07 (2.1: .06); what is sent before is in tests/ocpp_gateway/v201/testcases/test_a.py.
    """
    register(
        "A19",
        security_profile=SecurityProfile.TLS_BASIC,
        pending_security_profile=SecurityProfile.TLS_CERTIFICATE,
        serial_number="SN-A19",
    )
    # Both work until the first success with the new one.
    assert boot(product, "A19", trust(), serialNumber="SN-A19") == "Accepted"
    secured = trust(CA.client("SN-A19"))
    assert boot(product, "A19", secured, serialNumber="SN-A19") == "Accepted"
    with pytest.raises(InvalidStatus, match="403"):
        boot(product, "A19", trust())
    assert boot(product, "A19", secured, serialNumber="SN-A19") == "Accepted"
