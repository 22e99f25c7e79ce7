"""What the frozen part of a network makes of each picture, computed once and kept on the disk.

A picture is shown in several views (``augment.views``). Kept are, of each view, the maps that the first trained block
takes in (float16, channels first), and, of the picture and its mirror image, the pooled features of the whole network
(float32), for the head. Where all blocks are trained the pixels take the place of the maps, and views are made anew
each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge.types import Fit

from .augment import varied, views
from .data import Picture, Watch
from .fold import INPUT_MEAN, INPUT_STD
from .photographs import pixels
from .work import Work

CHUNK = 32
"""Pictures in a file."""

BATCH = 8
"""Views that go through the network at once: more are no faster, and fall out of the caches."""

HEAD_VIEWS = 2
"""Views of a picture that the head is fitted to: it and its mirror image; more did not help (measured)."""

MOST_VIEWS, ENOUGH = 4, 6000
"""Views of a picture, and how many of all pictures together are enough to make fewer of each."""


def views_for(pictures: int) -> int:
    """Views of each of so many pictures: at least two."""
    return min(MOST_VIEWS, max(2, ENOUGH // pictures))


class Plan(NamedTuple):
    """What is computed: ``body`` is the network's features, frozen up to module ``cut``; 0: nothing is frozen.

    head: whether a head is fitted, so that pooled features are needed.
    """

    body: nn.Sequential
    cut: int
    head: bool
    size: int
    fit: Fit
    seed: int


def as_input(pictures: NDArray[np.uint8]) -> Tensor:
    """Pixels (batch, height, width, 3) as the deployed network takes them: (batch, 3, height, width), -1 to 1."""
    real = (pictures.astype(np.float32) - INPUT_MEAN) / np.float32(INPUT_STD)
    # Channels stay last in memory, where convolutions on a CPU are fastest.
    return torch.from_numpy(real.astype(np.float32)).permute(0, 3, 1, 2)


class Bank:
    """The features of the pictures of one side. labels: (pictures,) int64. views: kept of each picture."""

    def __init__(self, work: Work, name: str, pictures: Sequence[Picture], plan: Plan, view_count: int) -> None:
        self.labels = torch.tensor([picture.label for picture in pictures])
        self.views = view_count if plan.cut else 1
        self._shown = view_count
        self._work, self._name, self._pictures, self._plan = work, name, pictures, plan
        self._maps: dict[int, NDArray[Any]] = {}

    def __len__(self) -> int:
        return len(self._pictures)

    def compute(self, watch: Watch) -> None:
        """Compute what is not there yet, file by file. Raises OSError where the disk is full."""
        chunks = range(0, len(self), CHUNK)
        with torch.inference_mode():
            for start in watch(chunks, f"features of {self._name}"):
                if not self._work.path(self._file(start, "pooled" if self._plan.head else "maps")).exists():
                    self._compute(start)

    def pooled(self) -> list[tuple[Tensor, Tensor]]:
        """(rows, channels) float32 features and (rows,) labels of all pictures, in parts."""
        parts = []
        for start in range(0, len(self), CHUNK):
            rows = torch.from_numpy(np.array(self._work.array(self._file(start, "pooled"))))
            labels = self.labels[start : start + CHUNK]
            parts.append((rows.flatten(0, 1), labels.repeat_interleave(rows.shape[1])))
        return parts

    def batch(self, rows: NDArray[np.int64], rng: np.random.Generator | None) -> Tensor:
        """What the first trained block takes in, for pictures ``rows``: a view chosen by ``rng``, or as they are."""
        chosen = rng.integers(0, self.views, len(rows)) if rng else np.zeros(len(rows), np.int64)
        found = [self._map(int(row) // CHUNK)[int(row) % CHUNK, view] for row, view in zip(rows, chosen, strict=True)]
        if self._plan.cut:
            return torch.from_numpy(np.stack(found)).float()
        return as_input(np.stack([varied(view, rng) if rng else view for view in found]))

    def _map(self, chunk: int) -> NDArray[Any]:
        if chunk not in self._maps:
            self._maps[chunk] = self._work.array(self._file(chunk * CHUNK, "maps"))
        return self._maps[chunk]

    def _file(self, start: int, what: str) -> str:
        return f"{self._name}-{start // CHUNK:05d}-{what}.npy"

    def _compute(self, start: int) -> None:
        chosen = self._pictures[start : start + CHUNK]
        seen = [pixels(picture.path, self._plan.size, self._plan.fit) for picture in chosen]
        if self._plan.cut == 0:
            self._work.save_array(self._file(start, "maps"), np.stack(seen)[:, None])
        if self._plan.head:
            self._run_frozen(start, seen)

    def _run_frozen(self, start: int, seen: list[NDArray[np.uint8]]) -> None:
        frozen, rest = self._plan.body[: self._plan.cut].eval(), self._plan.body[self._plan.cut :].eval()
        shown = np.stack([self._views(picture, start + place) for place, picture in enumerate(seen)])
        flat = shown.reshape(-1, *shown.shape[2:])
        maps = torch.cat([frozen(as_input(flat[at : at + BATCH])) for at in range(0, len(flat), BATCH)])
        maps = maps.reshape(*shown.shape[:2], *maps.shape[1:])
        if 0 < self._plan.cut < len(self._plan.body):
            self._work.save_array(self._file(start, "maps"), maps.half().contiguous().numpy())
        pooled = rest(maps[:, :HEAD_VIEWS].flatten(0, 1)).mean((2, 3))
        self._work.save_array(self._file(start, "pooled"), pooled.reshape(len(seen), -1, pooled.shape[1]).numpy())

    def _views(self, picture: NDArray[np.uint8], row: int) -> list[NDArray[np.uint8]]:
        count = self._shown if self._plan.cut else min(self._shown, HEAD_VIEWS)
        return views(picture, count, np.random.default_rng([self._plan.seed, 1, row]))
