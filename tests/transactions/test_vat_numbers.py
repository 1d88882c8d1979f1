"""VAT numbers: their form, and what a register says (OCPP 2.1 C18)."""

from __future__ import annotations

from typing import Any

import pytest

from transactions import vat_numbers
from transactions.vat_numbers import Checked, Company, VatNumberProvider, check, check_form, split

ACME = Company(name="Acme", address1="Street 1", city="Vienna", country="Austria", postal_code="1010")


class Register(VatNumberProvider):
    """Knows one number, refuses another, and fails otherwise."""

    def look_up(self, country: str, number: str) -> Checked | None:
        if number == "U12345678":
            return Checked(is_valid=True, company=ACME)
        if number == "U00000000":
            return Checked(is_valid=False, problem="The register does not know it.")
        raise TimeoutError


@pytest.fixture
def register(settings: Any) -> None:
    settings.VAT_NUMBER_PROVIDER = f"{__name__}.Register"
    vat_numbers._load.cache_clear()


@pytest.mark.parametrize(
    "number",
    [
        "DE123456789",
        "de 123 456 789",
        "ATU12345678",
        "NL123456789B01",
        "GR123456789",
        "EL123456789",
        "FRAB123456789",
        "IE1234567WA",
        "CHE-123.456.789 MWST",
        "SE123456789001",
        "XI123456789",
    ],
)
def test_number_of_the_right_form_is_good(number: str) -> None:
    assert check_form(number).is_valid


@pytest.mark.parametrize(
    ("number", "problem"),
    [
        ("", "two letters"),
        ("123456789", "two letters"),
        ("DE12345678", "not the form of a VAT number of DE"),
        ("AT12345678", "not the form of a VAT number of AT"),
        ("US123456789", "VAT numbers of US are not known here"),
        ("D€123456789", "two letters"),
    ],
)
def test_wrong_number_is_refused_in_words(number: str, problem: str) -> None:
    checked = check_form(number)
    assert not checked.is_valid
    assert problem in checked.problem


def test_country_and_number_are_told_apart() -> None:
    assert split("gr-123.456.789") == ("EL", "123456789")


@pytest.mark.usefixtures("register")
def test_register_knows_more_than_the_form() -> None:
    assert check("ATU12345678").company == ACME
    assert not check("ATU00000000").is_valid


@pytest.mark.usefixtures("register")
def test_register_that_fails_leaves_it_at_the_form() -> None:
    assert check("ATU99999999") == Checked(is_valid=True)
    assert not check("AT1").is_valid


def test_without_a_register_the_form_decides() -> None:
    assert check("DE123456789") == Checked(is_valid=True)
