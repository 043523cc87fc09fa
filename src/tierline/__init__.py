"""Tierline: a loyalty tier engine that announces every change by webhook."""

__version__ = "0.2.0"
