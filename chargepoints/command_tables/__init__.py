"""The neutral commands, one module for each profile of OCPP 1.6."""
