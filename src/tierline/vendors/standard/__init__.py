"""Our own event, as Standard Webhooks and CloudEvents carry it, and the signature of every delivery."""
