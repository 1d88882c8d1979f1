"""Measurements that are no tests: run them by hand, or with `make bench`."""
