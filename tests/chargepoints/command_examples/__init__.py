"""One valid payload for each command that only later versions of OCPP know.

Each module of this package has `EXAMPLES`: neutral command → payload, with every argument.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Any


def examples() -> dict[str, dict[str, Any]]:
    """Those of all modules."""
    found: dict[str, dict[str, Any]] = {}
    for module in iter_modules(__path__):
        found |= import_module(f"{__name__}.{module.name}").EXAMPLES
    return found
