"""OCPP 2.0.1 of a simulated charge point; 2.1 builds on it."""
