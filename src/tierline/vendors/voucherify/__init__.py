"""Voucherify's words: campaigns, loyalty tiers with their expiration, and webhooks v2024-01-01."""
