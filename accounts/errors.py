"""Exceptions of accounts; the docstring is the default message, written for the person who asked."""

from __future__ import annotations


class AccountsError(Exception):
    """Something about tenants, people or tokens is wrong."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.__doc__)


class PermissionRefused(AccountsError):
    """Your role does not allow this."""


class TenantRequired(AccountsError):
    """You belong to several tenants: name the one to act for."""


class UnknownTenant(AccountsError):
    """There is no such tenant."""


class NoMembership(AccountsError):
    """You are not a member of any tenant."""


class KeyRevoked(AccountsError):
    """This API key is revoked or expired."""


class Invalid(AccountsError):
    """The given values are not valid.

    errors  field → message, for forms and problem details
    """

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(errors.values()))
        self.errors = errors


class UserExists(Invalid):
    """A user of this name exists already."""


class TokenExists(Invalid):
    """A tag with this value and type exists already."""


class LastOwner(AccountsError):
    """A tenant keeps at least one owner."""


class ForeignObject(AccountsError):
    """The object belongs to another tenant."""
