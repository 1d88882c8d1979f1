"""A removable tenant with sites, chargers, people and a month of sessions, and simulated chargers for it."""
