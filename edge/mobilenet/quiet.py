"""Hold back what the libraries that make models say of themselves, so that users see one line when something fails."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator

from edge.stderr import held_back

TALKERS = ("torchao", "torch", "tensorflow", "absl")
"""Loggers that warn of what is no concern here: kernels for other processors, and functions of their own that age."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No warnings, no log and nothing on stderr from inside, not even from C++. Errors come through as exceptions."""
    levels = {name: logging.getLogger(name).level for name in TALKERS}
    for name in TALKERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), held_back():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
