"""Our own event as Standard Webhooks and CloudEvents carry it, and every delivery's signature."""
