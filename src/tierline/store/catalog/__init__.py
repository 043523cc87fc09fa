"""The small tables: projects, keys, programs, endpoints."""
