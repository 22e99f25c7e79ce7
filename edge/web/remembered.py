"""Something that is remembered of each address that came lately, however many come."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

ADDRESSES = 1024
"""So many are remembered, where nothing else is said."""

Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """By address. most: where one more is put, the one that was put least lately is forgotten."""

    def __init__(self, most: int = ADDRESSES) -> None:
        self._most = most
        self._of: OrderedDict[str, Value] = OrderedDict()

    def __len__(self) -> int:
        return len(self._of)

    def get(self, address: str, otherwise: Value) -> Value:
        """What was put, or something else where nothing was."""
        return self._of.get(address, otherwise)

    def put(self, address: str, value: Value) -> None:
        """Remember it."""
        self._of[address] = value
        self._of.move_to_end(address)
        if len(self._of) > self._most:
            self._of.popitem(last=False)
