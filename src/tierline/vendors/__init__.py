"""Vendors: one folder each. Their words live there and nowhere else."""
