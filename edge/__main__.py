"""`python -m edge`, the same as `edge`."""

from edge.cli import main

main()
