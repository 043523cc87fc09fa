"""A program's rules as values. Pure."""
