"""The HTTP side: routes, keys, limits and errors. It knows no SQL and decides no rule."""
