"""Load from a second process against a running server, with as little client CPU per message as possible."""
