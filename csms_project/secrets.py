"""Secrets of an installation: from the environment, from a file, or made once in the data directory."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def load_secret(name: str, *, data_dir: Path, create: bool) -> list[str]:
    """Return the current value of a secret, then its older values.

    Looked up in NAME (comma separated, newest first), NAME_FILE (one value a line) and DATA_DIR/secrets/NAME;
    when none exists and `create` is set, a random value is written there with mode 0600.

    Raises  ImproperlyConfigured  no value and none may be created, or the file cannot be read
    """
    if value := os.environ.get(name):
        return _values(value.replace(",", "\n"), name)
    if path := os.environ.get(f"{name}_FILE"):
        try:
            return _values(Path(path).read_text(), name)
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE: cannot read {path}: {error.strerror}.") from error
    stored = data_dir / "secrets" / name
    if stored.exists():
        return _values(stored.read_text(), name)
    if not create:
        raise ImproperlyConfigured(f"Set {name} or {name}_FILE: production has no default for it.")
    return [_create(stored)]


def _values(text: str, name: str) -> list[str]:
    values = [line.strip() for line in text.splitlines() if line.strip()]
    if not values:
        raise ImproperlyConfigured(f"{name} is empty.")
    return values


def _create(path: Path) -> str:
    # 32 bytes in URL-safe base64: the form that Fernet wants, good for the other two as well.
    value = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:  # another process was faster
        return path.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"Cannot write {path}: {error.strerror}. Set DATA_DIR to a directory that this user may write."
        ) from error
    with os.fdopen(descriptor, "w") as file:
        file.write(value + "\n")
    return value
