"""Chaos: a receiver that misbehaves and processes that are killed, while a checker keeps count.

`python -m tests.delivery.chaos --minutes 10` runs it for long; the suite runs it for seconds.
"""
