"""OCPP 1.6 of a simulated charge point."""
