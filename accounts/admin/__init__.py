"""Admin of tenants, people, tokens and API keys; one module per noun."""

from accounts.admin import api_keys, people, tenants, tokens

__all__ = ["api_keys", "people", "tenants", "tokens"]
