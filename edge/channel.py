"""A bounded hand-over from one thread to another."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from threading import Condition
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Channel(Generic[Item]):
    """Holds at most `capacity` items. lossless: putting waits for room; else the oldest goes, and is counted."""

    def __init__(self, capacity: int, *, lossless: bool) -> None:
        self.dropped = 0
        self._capacity = capacity
        self._lossless = lossless
        self._items: deque[Item] = deque()
        self._changed = Condition()
        self._closed = False
        self._error: BaseException | None = None

    def put(self, item: Item) -> bool:
        """Hand an item over; False when the channel was closed, and the item goes nowhere."""
        with self._changed:
            while self._lossless and len(self._items) >= self._capacity and not self._closed:
                self._changed.wait()
            if self._closed:
                return False
            if len(self._items) >= self._capacity:
                self._items.popleft()
                self.dropped += 1
            self._items.append(item)
            self._changed.notify_all()
            return True

    def get(self, timeout_s: float | None = None) -> Item:
        """Take the oldest item.

        Raises TimeoutError when none came in time; when the channel is closed and empty, EOFError, or the error that
        it was closed with.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._items or self._closed, timeout_s):
                raise TimeoutError(f"nothing came within {timeout_s} s")
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            raise self._error or EOFError

    def close(self, error: BaseException | None = None) -> None:
        """No more will be put; what is inside can still be taken, then `error` is raised. The first call counts."""
        with self._changed:
            if not self._closed:
                self._closed, self._error = True, error
            self._changed.notify_all()

    def abandon(self) -> None:
        """Close, and throw away what is inside: nobody will take it."""
        self.close()
        with self._changed:
            self._items.clear()

    def __iter__(self) -> Iterator[Item]:
        """Take items until the channel is closed and empty."""
        while True:
            try:
                item = self.get()
            except EOFError:
                return
            yield item
