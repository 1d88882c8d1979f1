"""Signing in to the admin."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.forms import AuthenticationForm as PlainAuthenticationForm
from django.core.exceptions import ValidationError
from unfold.forms import AuthenticationForm

from accounts.selectors import tenants_of


class LoginForm(AuthenticationForm):
    """For superusers and members of a tenant; drivers have an app of their own."""

    def confirm_login_allowed(self, user: Any) -> None:
        PlainAuthenticationForm.confirm_login_allowed(self, user)
        if not user.is_superuser and not tenants_of(user).exists():
            # The words of a wrong password: whether an account exists is not told.
            raise ValidationError(
                self.error_messages["invalid_login"],
                code="invalid_login",
                params={"username": self.username_field.verbose_name},
            )
