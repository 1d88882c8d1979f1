"""Admin of sessions, meter values and tariffs; one module per noun."""

from transactions.admin import meter_values, sessions, tariffs

__all__ = ["meter_values", "sessions", "tariffs"]
