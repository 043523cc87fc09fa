"""LoyaltyLion's words: boundary modes, tier memberships, and program events of webhooks v2."""
