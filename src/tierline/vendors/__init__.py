"""Vendors: one folder each, and one object that says everything of it (`vendor.py`)."""
