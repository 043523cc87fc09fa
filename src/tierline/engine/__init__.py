"""The engine: pure. It decides; it never reads a clock, does I/O, or draws a random number."""
