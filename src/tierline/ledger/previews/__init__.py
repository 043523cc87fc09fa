"""A change of rules over all members."""
