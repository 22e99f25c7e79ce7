"""One interpreter for several cameras, which take turns: whoever has waited longest is next, for one frame.

An Edge TPU belongs to one process and runs one model at a time, and a GPU's memory holds one engine rather than four.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from threading import Condition, Event, Lock

from edge.engine import CANNOT_RUN, Engine
from edge.errors import InferenceError
from edge.recovery import LOOK_S, Ladder, Rung
from edge.succession import Prepared, Succession
from edge.types import Frame, Result


class Shares:
    """What is shared, by a key that is the same for cameras that may share it. look_s: as `Shared` has it."""

    def __init__(self, look_s: float = LOOK_S) -> None:
        self._look_s = look_s
        self._lock = Lock()
        self._shared: dict[Hashable, Shared] = {}

    def turn(self, key: Hashable, ladder: Ladder, opened: Callable[[Ladder], Succession]) -> Turn:
        """A camera's part in what `opened` opens, which is asked where nobody has it open; others wait for that.

        ladder: of that camera; each is told of each try to recover. Raises as `Succession` does.
        """
        with self._lock:
            self._shared = {each: shared for each, shared in self._shared.items() if not shared.spent}
            shared = self._shared.get(key, Shared(self._look_s))
            turn = shared.join(ladder)
            if turn.over.is_set():  # the last of the others has just left
                shared = Shared(self._look_s)
                turn = shared.join(ladder)
            self._shared[key] = shared
        try:
            shared.open(opened)
        except BaseException:
            turn.close()
            raise
        return turn


class Shared:
    """A succession, which is opened once, and the queue for it.

    spent: it can run nothing any more; who comes anew opens another one. look_s: so often whoever waits hears what
    is asked.
    """

    def __init__(self, look_s: float = LOOK_S) -> None:
        self.spent = False
        self._look_s = look_s
        self._turns: tuple[Turn, ...] = ()
        self._opened: Succession | None = None
        self._lock, self._opening = Lock(), Lock()
        self._changed = Condition()
        self._queue: deque[Turn] = deque()

    @property
    def succession(self) -> Succession:
        """What answers, once it is open."""
        assert self._opened is not None
        return self._opened

    def join(self, ladder: Ladder) -> Turn:
        """One more shares it; where it is spent by now, the turn is over before it begins."""
        turn = Turn(self, ladder)
        with self._lock:
            if self.spent:
                turn.over.set()
            else:
                self._turns += (turn,)
        return turn

    def open(self, opened: Callable[[Ladder], Succession]) -> None:
        """Have it opened, where nobody has yet. Raises as `Succession` does."""
        with self._opening:
            self._opened = self._opened or opened(Ladder(self._climbed, self._works))

    @contextmanager
    def turn(self, mine: Turn) -> Iterator[Succession]:
        """Wait for the others that asked before. Raises InferenceError once it is over, or where it is spent."""
        with self._changed:
            self._queue.append(mine)
        try:
            while not self._is_first(mine):
                mine.wait()
            if self.spent:
                raise InferenceError("the interpreter that it shares with another camera has failed; it is opened anew")
            self.succession.waiting = mine.wait
            yield self.succession
        except CANNOT_RUN:
            self.spent = self.spent or not mine.over.is_set()
            raise
        finally:
            with self._changed:
                self._queue.remove(mine)
                self._changed.notify_all()

    def stopped(self) -> None:
        """One waits for nothing any more; where that are all, neither does the succession."""
        with self._lock:
            last = self.spent = self.spent or all(each.over.is_set() for each in self._turns)
        if last and self._opened is not None:
            self._opened.stop()
        with self._changed:
            self._changed.notify_all()

    def leave(self, turn: Turn) -> None:
        """One shares it no more; it is closed with the last."""
        with self._lock:
            here = turn in self._turns
            self._turns = tuple(each for each in self._turns if each is not turn)
            last = here and not self._turns
        if last and self._opened is not None:
            self._opened.close()

    def _is_first(self, mine: Turn) -> bool:
        """Wait a second at most until it is, or is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue[0] is mine or mine.over.is_set(), self._look_s)
            return self._queue[0] is mine

    def _climbed(self, rung: Rung, words: str) -> None:
        for each in self._turns:
            each.ladder.climb(rung, words)

    def _works(self, words: str) -> None:
        for each in self._turns:
            each.ladder.works(words)


class Turn:
    """One camera's part: to its pipeline it is a succession of its own. over: it waits for nothing any more."""

    def __init__(self, shared: Shared, ladder: Ladder) -> None:
        self.waiting: Callable[[], None] = lambda: None
        self.ladder = ladder
        self.over = Event()
        self._shared = shared

    @property
    def engine(self) -> Engine:
        """What runs the model now."""
        return self._shared.succession.engine

    def prepare(self, frame: Frame, used: Prepared | None = None) -> Prepared:
        """As `Succession.prepare`."""
        return self._shared.succession.prepare(frame, used)

    def answer(self, frame: Frame, prepared: Prepared) -> Result:
        """As `Succession.answer`, when it is this camera's turn."""
        with self._shared.turn(self) as succession:
            return succession.answer(frame, prepared)

    def wait(self) -> None:
        """Hear what is asked while it waits: for its turn, or in its turn for what is opened in place of what was lost.

        Raises InferenceError where it is to wait no more; the next one's turn goes on with what it waited for.
        """
        if not self.over.is_set():
            self.waiting()
        if self.over.is_set():
            raise InferenceError("it was stopped while it waited for its turn")

    def stop(self) -> None:
        """Wait for nothing any more; may be called from any thread."""
        self.over.set()
        self._shared.stopped()

    def close(self) -> None:
        """Share it no more; calling it again is harmless."""
        self.stop()
        self._shared.leave(self)
