"""LiteRT in the process of the service itself. Frozen, it hangs in its inference, and nothing ends that."""

from typing import Any

from edge.interpreters import litert
from plays import hang

INSTALL = litert.INSTALL


class Hanging:
    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def infer(self, tensor: Any) -> Any:
        hang("interpreter")
        return self._real.infer(tensor)


def open(model: Any, *, threads: int = 1) -> Hanging:
    return Hanging(litert.open(model, threads=threads))
