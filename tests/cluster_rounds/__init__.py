"""Rounds on a cluster whose nodes are killed: see `__main__`."""
