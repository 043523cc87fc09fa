"""The console: pages over the same operations as the API."""
