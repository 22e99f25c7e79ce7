"""`edge events`: what a camera saw."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

import click
import msgspec

from edge.cli import loaded
from edge.errors import ConfigError, EdgeError, one_line
from edge.events.rows import read
from edge.files import data_folder, printable
from edge.service.places import EVENTS, STATE
from edge.types import Event

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

FIRST = 10
"""Of what was there before, so many are shown where --follow is given and --since is not."""

LOOK_S = 0.5
"""Between two looks at what is new."""


@click.command("events")
@click.argument("camera", required=False)
@click.option("--since", metavar="TIME", help="Only later ones: 90s, 30m, 2h, 7d, 2026-05-01, or 2026-05-01T18:30.")
@click.option("--label", "labels", multiple=True, help="Only about this label; may be given several times.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout, and nothing else.")
@click.option("--follow", "on", is_flag=True, help="Go on with what happens from now on, until Ctrl-C.")
def command(camera: str | None, since: str | None, labels: tuple[str, ...], as_json: bool, on: bool) -> None:
    """Show what a camera saw: what appeared, changed and went.

    CAMERA is its name, its file, or the database of its events; the only one there is may be left out.
    """
    path = _database(camera)
    earliest = _time(since) if since else None
    loaded()
    try:
        found = follow(path, earliest, labels) if on else (event for _, event in read(path, earliest, labels))
        shown = _show(found, as_json)
    except PermissionError as error:
        raise EdgeError(f"{printable(path)} may not be read; use sudo, or join the group that owns it") from error
    if not shown:
        click.echo(f"edge: {printable(path)}: no such events", err=True)


def _show(found: Iterator[Event], as_json: bool) -> bool:
    shown = False
    for event in found:
        click.echo(msgspec.json.encode(event) if as_json else words(event))
        shown = True
    return shown


def words(event: Event) -> str:
    """An event in one line, by local time."""
    parts = [f"{event.label} {event.score:.0%}"]
    parts += [f"before: {event.previous}"] if event.previous else []
    parts += [f"after {event.lasted_s:.1f} s"] if event.lasted_s is not None else []
    parts += [event.picture] if event.picture else []
    return f"{event.at.astimezone():%Y-%m-%d %H:%M:%S}  {event.kind:<8}  {one_line(', '.join(parts))}"


def follow(
    path: Path, since: datetime | None, labels: tuple[str, ...], sleep: Callable[[float], None] = time.sleep
) -> Iterator[Event]:
    """What happens from now on, after some of what happened before. Raises OSError as `read` does, of the first look.

    Where the database is put aside and begun anew, it goes on with the new one, once that is one.
    """
    place, number = _place(path), 0
    before = deque(read(path, since, labels), maxlen=None if since else FIRST)
    while True:
        yield from (event for _, event in before)
        number = before[-1][0] if before else number
        sleep(LOOK_S)
        now = _place(path)
        if now != place:
            place, number = now, 0
        before = deque()
        with suppress(OSError):
            before.extend(read(path, since, labels, number) if now else ())


def _place(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _time(text: str) -> datetime:
    """A moment, from how long ago it is, or from its date, which is local where it names no zone."""
    ago = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)([smhdw])", text)
    try:
        if ago:
            return datetime.now(timezone.utc) - timedelta(**{UNITS[ago[2]]: float(ago[1])})
        return datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text)).astimezone()
    except (ValueError, OverflowError) as error:
        raise ConfigError(
            f"--since {one_line(text)}: no time; give 90s, 30m, 2h, 7d, or a date as 2026-05-01"
        ) from error


def _database(camera: str | None) -> Path:
    """Where the events of a camera lie. Raises ConfigError, which tells which cameras there are."""
    known = _known()
    if camera is None:
        if len(known) == 1:
            return next(iter(known.values()))
        raise ConfigError(f"{_listed(known)}; name the one whose events to show" if known else _listed(known))
    path = Path(camera)
    if path.suffix != ".toml" and (path.is_file() or path.is_dir()):
        return path / EVENTS if path.is_dir() else path
    name = _name(path) if path.suffix == ".toml" else camera
    if name not in known:
        raise ConfigError(f"no events of a camera {one_line(name)}; {_listed(known)}")
    return known[name]


def _name(path: Path) -> str:
    """Of the camera of a file: its folder bears what systemd calls it, or what it calls itself."""
    from edge.settings import load  # what is named otherwise needs no settings

    return path.stem if path.stem in _known() or not path.is_file() else load(path).name


def _known() -> dict[str, Path]:
    """The databases of this machine's and this user's cameras, by name; those of a service with several lie in it."""
    data = data_folder()
    folders = [data / "cameras"] if data else []
    folders.append(STATE)
    services = [place for folder in folders for place in sorted(folder.glob("*"))]
    several = {f"{place.name}-{one.name}": one for place in services for one in sorted(place.glob("*"))}
    known = {**several, **{place.name: place for place in services}}
    return {name: place / EVENTS for name, place in known.items() if _has_events(place)}


def _has_events(place: Path) -> bool:
    try:
        return (place / EVENTS).is_file()
    except PermissionError:  # nobody keeps others from it who has nothing there
        return True


def _listed(known: dict[str, Path]) -> str:
    return f"events are kept of {', '.join(map(printable, sorted(known)))}" if known else "no camera keeps events yet"
