"""Tierline: a loyalty tier engine that announces every change by signed, ordered, never-lost webhooks."""

__version__ = "0.1.0"
