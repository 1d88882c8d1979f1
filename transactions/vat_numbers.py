"""VAT numbers that drivers enter for a receipt (OCPP 2.1 C18.FR.08 to .10): their form, and who knows more.

The form is checked here; `VAT_NUMBER_PROVIDER` names a class that asks a register, for example the one of the European
Union. A register that does not answer in time leaves it at the form.
"""

from __future__ import annotations

import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from django.conf import settings
from django.utils.module_loading import import_string

logger = logging.getLogger(__name__)

#: Country → what follows it.
_FORMS = {
    "AT": r"U\d{8}",
    "BE": r"[01]\d{9}",
    "BG": r"\d{9,10}",
    "CH": r"E\d{9}(MWST|TVA|IVA)?",
    "CY": r"\d{8}[A-Z]",
    "CZ": r"\d{8,10}",
    "DE": r"\d{9}",
    "DK": r"\d{8}",
    "EE": r"\d{9}",
    "EL": r"\d{9}",
    "ES": r"[A-Z0-9]\d{7}[A-Z0-9]",
    "FI": r"\d{8}",
    "FR": r"[A-HJ-NP-Z0-9]{2}\d{9}",
    "GB": r"(\d{9}|\d{12}|GD\d{3}|HA\d{3})",
    "HR": r"\d{11}",
    "HU": r"\d{8}",
    "IE": r"(\d[A-Z0-9+*]\d{5}[A-Z]{1,2})",
    "IT": r"\d{11}",
    "LT": r"(\d{9}|\d{12})",
    "LU": r"\d{8}",
    "LV": r"\d{11}",
    "MT": r"\d{8}",
    "NL": r"\d{9}B\d{2}",
    "NO": r"\d{9}(MVA)?",
    "PL": r"\d{10}",
    "PT": r"\d{9}",
    "RO": r"\d{2,10}",
    "SE": r"\d{12}",
    "SI": r"\d{8}",
    "SK": r"\d{10}",
    "XI": r"(\d{9}|\d{12}|GD\d{3}|HA\d{3})",
}
_PATTERNS = {country: re.compile(form) for country, form in _FORMS.items()}
_NOISE = re.compile(r"[\s.\-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """To whom a receipt is made out (AddressType)."""

    name: str
    address1: str
    city: str
    country: str
    address2: str = ""
    postal_code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What is known of a number; `problem` is empty for a good one."""

    is_valid: bool
    problem: str = ""
    company: Company | None = field(default=None)


class VatNumberProvider(ABC):
    """A register of VAT numbers."""

    @abstractmethod
    def look_up(self, country: str, number: str) -> Checked | None:
        """What the register knows; None: it cannot say now.  Asked while a charger waits: be quick."""


class FormOnly(VatNumberProvider):
    """No register is asked."""

    def look_up(self, country: str, number: str) -> Checked | None:
        return None


def split(text: str) -> tuple[str, str]:
    """Country and number without what people write between; ("", …) where it begins with no country."""
    plain = _NOISE.sub("", text).upper()
    country = {"GR": "EL"}.get(plain[:2], plain[:2])
    return (country, plain[2:]) if country.isalpha() and len(country) == 2 else ("", plain)


def check_form(text: str) -> Checked:
    """Whether a number can be one."""
    country, number = split(text)
    if not country:
        return Checked(is_valid=False, problem="It must begin with the two letters of a country.")
    pattern = _PATTERNS.get(country)
    if pattern is None:
        return Checked(is_valid=False, problem=f"VAT numbers of {country} are not known here.")
    if not pattern.fullmatch(number):
        return Checked(is_valid=False, problem=f"This is not the form of a VAT number of {country}.")
    return Checked(is_valid=True)


def check(text: str) -> Checked:
    """Form first, then the register; without an answer of it the form decides."""
    checked = check_form(text)
    if not checked.is_valid:
        return checked
    try:
        known = get_provider().look_up(*split(text))
    except Exception:  # somebody else's register must not keep a driver from his receipt
        logger.warning("vat_number.register_failed", exc_info=True)
        return checked
    return known or checked


@lru_cache(maxsize=4)
def _load(path: str) -> VatNumberProvider:
    provider = import_string(path)()
    if not isinstance(provider, VatNumberProvider):
        raise TypeError(f"VAT_NUMBER_PROVIDER: {path} is no VatNumberProvider")
    return provider


def get_provider() -> VatNumberProvider:
    """The provider of the settings."""
    return _load(settings.VAT_NUMBER_PROVIDER)


def address_of(company: Company) -> Mapping[str, str]:
    """Its fields by our names, without empty ones."""
    names = ("name", "address1", "address2", "postal_code", "city", "country")
    return {name: text for name in names if (text := getattr(company, name))}
