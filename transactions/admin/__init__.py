"""Admin of sessions, meter values and tariffs; one module per noun."""

from transactions.admin import charge_point_tab, meter_values, payments, sessions, tariff_tab, tariffs

__all__ = ["charge_point_tab", "meter_values", "payments", "sessions", "tariff_tab", "tariffs"]
