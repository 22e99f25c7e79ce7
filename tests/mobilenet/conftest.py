"""Loaded before any test of this folder, so that what `edge.mobilenet` sets for PyTorch comes before PyTorch."""

import edge.mobilenet  # noqa: F401
