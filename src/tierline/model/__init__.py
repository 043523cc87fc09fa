"""What everybody speaks of: entries, standings, events, tenants, ids, time. Pure."""
