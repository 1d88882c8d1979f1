"""Certificates as such: keys, requests, certificates, revocation lists.  Built on `cryptography`; no database."""
