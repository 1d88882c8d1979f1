"""Simulated charge points for demo, tests and load: a pure client over real sockets."""
