"""Fields of a flatbuffer, read from bytes that nobody has checked.

Fields are told by their number in the schema. Whatever a damaged or hostile file says, reading costs at most `MOST`:
vectors may lie on top of each other, so that a small file could hold very many.
The only file that reads with `flatbuffers`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

MOST, A_ROW = 1 << 23, 32
"""Numbers in vectors that are read from one file, a table in a vector counted as so many; no network has as many."""

DAMAGED = (struct.error, IndexError, StopIteration, TypeError, ValueError, OverflowError)
"""What reading a damaged file may raise; no other exception comes out of this module."""

BYTES = {"?": 1, "b": 1, "B": 1, "i": 4, "I": 4, "f": 4, "q": 8, "Q": 8}


class Row:
    """One table of a flatbuffer. Its methods raise one of `DAMAGED` where the file makes no sense."""

    __slots__ = ("_left", "_table")

    def __init__(self, table: Any, left: list[int]) -> None:
        self._table, self._left = table, left

    def scalar(self, field: int, kind: str, absent: Any = 0) -> Any:
        """A number, told by its `struct` character; `absent`, the schema's default, where it was left out."""
        at = self._table.Offset(4 + 2 * field)
        return struct.unpack_from(f"<{kind}", self._table.Bytes, self._table.Pos + at)[0] if at else absent

    def numbers(self, field: int, kind: str = "i") -> tuple[Any, ...]:
        """A vector of numbers; empty where there is none."""
        start, length = self._vector(field, BYTES[kind])
        self._spend(length)
        return struct.unpack_from(f"<{length}{kind}", self._table.Bytes, start)

    def blob(self, field: int) -> memoryview | None:
        """A vector of bytes, not copied; None where there is none or it is empty."""
        start, length = self._vector(field, 1)
        return memoryview(self._table.Bytes)[start : start + length] if length else None

    def text(self, field: int) -> str:
        """A string; what cannot be printed shows as a question mark. At most 200 characters of it."""
        start, length = self._vector(field, 1)
        text = bytes(self._table.Bytes[start : start + min(length, 200)]).decode("utf-8", "replace")
        return "".join(letter if letter.isprintable() else "?" for letter in text)

    def row(self, field: int) -> Row | None:
        """A table inside this one; None where it was left out."""
        at = self._table.Offset(4 + 2 * field)
        return self._at(self._table.Pos + at) if at else None

    def rows(self, field: int) -> Iterator[Row]:
        """A vector of tables."""
        start, length = self._vector(field, 4)
        self._spend(A_ROW * length)
        return (self._at(start + 4 * i) for i in range(length))

    def _at(self, place: int) -> Row:
        return Row(type(self._table)(self._table.Bytes, self._table.Indirect(place)), self._left)

    def _vector(self, field: int, size: int) -> tuple[int, int]:
        at = self._table.Offset(4 + 2 * field)
        if not at:
            return 0, 0
        length, start = int(self._table.VectorLen(at)), int(self._table.Vector(at))
        if start + size * length > len(self._table.Bytes):
            raise ValueError("a vector that runs past the end of the file")
        return start, length

    def _spend(self, elements: int) -> None:
        self._left[0] -= elements
        if self._left[0] < 0:
            raise ValueError("more elements than any network has")


def root(data: bytes) -> Row:
    """The table that a flatbuffer begins with. Raises one of `DAMAGED`."""
    from flatbuffers.table import Table

    return Row(Table(data, struct.unpack_from("<I", data)[0]), [MOST])
