"""`python -m edge.benchmarks`, the same as `edge-bench`."""

from .cli import main

main()
