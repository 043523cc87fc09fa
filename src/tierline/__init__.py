"""Tierline: a loyalty tier engine that announces every change by webhook."""

__version__ = "0.1.0"
