"""Delivery: a cursor per endpoint over the log, lanes for what failed, one guarded HTTP client."""
