"""What OCPP 2.1 adds to a simulated charge point of 2.0.1."""
