"""Parts of `benchmarks/bench_delivery.py`: each side of a delivery in a process of its own."""
