"""Transfers of points between two customers."""
