"""The sender: a cursor per endpoint over the log, lanes for what failed."""
