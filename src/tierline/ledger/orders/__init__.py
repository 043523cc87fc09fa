"""Orders that a shop tells whole, and what ledgers then say of them."""
