"""Erasing a customer: text goes, numbers stay."""
