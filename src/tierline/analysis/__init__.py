"""Read off the engine: why, what next, and what if. Pure."""
