"""Device profiles: TOML in, a checked value out. Everything is checked before anything is opened.

    name = "cpu"
    threads = 2
    shared = true         # several cameras take turns on one interpreter; false: each has one
    jpeg = "v4l2"         # the board's own encoder makes the page's pictures; "processor", the default: it does not

    [[camera]]            # optional, in order of preference: without it the first camera there is
    kind = "v4l2"
    device = "/dev/video0"

    [[interpreter]]       # in order of preference; what is not listed is never used
    kind = "edgetpu"
    model = "mobilenet_v2_1.0_224_quant_edgetpu"    # where it needs one of its own, and labels likewise

    [[interpreter]]
    kind = "litert"

    [power]               # optional, for edge-bench: without it the first meter that gives a reading
    kind = "hwmon"

What is not said there is found out, or comes from the model's card.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from edge import adapters, boards
from edge.adapters import Adapter
from edge.errors import ConfigError, key_and_reason, one_line
from edge.types import Fit

DEFAULT = "cpu"

AUTO = "auto"
"""Stands for the shipped profile that fits the machine."""

OF_THE_MODEL = ("model", "labels")
"""Keys of an interpreter's table that are no options of its `open`."""


Table = Annotated[dict[str, Any], msgspec.Meta(min_length=1)]

Jpeg = Literal["processor", "v4l2"]


class Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A profile as it is written."""

    name: str
    interpreter: Annotated[list[dict[str, Any]], msgspec.Meta(min_length=1)]
    description: str = ""
    model: str | None = None
    labels: str | None = None
    fit: Fit | None = None
    threads: Annotated[int, msgspec.Meta(ge=1, le=256)] | None = None
    shared: bool = True
    jpeg: Jpeg = "processor"
    camera: Table | list[Table] = []
    power: Table | None = None


class DeviceProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What a device is made of. `interpreters` and `cameras` are in order of preference; None means: not said.

    shared: several cameras of one process take turns on one interpreter, else each has one. jpeg: what encodes the
    pictures that the page shows. because: why `auto` chose it.
    """

    name: str
    description: str
    interpreters: tuple[Adapter, ...]
    cameras: tuple[Adapter, ...]
    power: Adapter | None
    model: str | None
    labels: str | None
    fit: Fit | None
    threads: int | None
    shared: bool = True
    jpeg: Jpeg = "processor"
    because: str | None = None

    @property
    def sharing(self) -> str | None:
        """The same for cameras that take turns on one interpreter, where all else is the same; None: each has one."""
        own = (self.interpreters, self.model, self.labels, self.fit, self.threads)
        return repr(own) if self.shared else None


def folder() -> Path:
    """Where the profiles that ship lie: in the package, or beside it in a checkout."""
    installed = Path(__file__).with_name("device_profiles")
    return installed if installed.is_dir() else Path(__file__).parents[1] / "device_profiles"


def shipped() -> dict[str, Path]:
    """The profiles that ship, by name."""
    return {path.stem: path for path in sorted(folder().glob("*.toml"))}


def load(profile: str | Path = DEFAULT, root: Path = Path("/")) -> DeviceProfile:
    """Read and check a profile: by the name of a shipped one, by path, or "auto", the one that fits this machine.

    root: where /sys and /proc are, for "auto"; elsewhere only in tests. Raises ConfigError, with the path of the key
    that is wrong.
    """
    if str(profile) == AUTO:
        choice = boards.recognise(root)
        return msgspec.structs.replace(load(choice.profile), because=choice.because)
    return parse(_read(profile), str(profile))


def text_of(profile: str | Path, root: Path = Path("/")) -> str:
    """A profile as it is written, found as `load` does. Raises ConfigError."""
    found = boards.recognise(root).profile if str(profile) == AUTO else profile
    return _read(found).decode("utf-8", "replace")


def _read(profile: str | Path) -> bytes:
    known = shipped()
    path = known.get(str(profile), Path(profile))
    try:
        data = path.read_bytes() if path.is_file() else None
    except (OSError, ValueError) as error:  # ValueError: a text that can be no path
        raise ConfigError(f"profile {profile}: cannot be read: {error}; give a name or a TOML file") from error
    if data is None:
        raise ConfigError(f"profile {profile}: no such profile or file; shipped are: {', '.join(known)}")
    return data


def parse(data: bytes, where: str) -> DeviceProfile:
    """Check the text of a profile; `where` names it in errors. Raises ConfigError."""
    try:
        written = msgspec.toml.decode(data, type=Written)
    except msgspec.ValidationError as error:
        key, reason = key_and_reason(error)
        known = ", ".join(Written.__struct_fields__)
        raise ConfigError(f"profile {where}: {key}: {reason}; a profile takes: {known}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"profile {where}: not TOML: {one_line(error)}; mend that line") from error
    one_camera = isinstance(written.camera, dict)
    cameras = [written.camera] if isinstance(written.camera, dict) else written.camera
    power = written.power
    return DeviceProfile(
        name=written.name,
        description=written.description,
        interpreters=tuple(
            _adapter("interpreters", table, f"profile {where}: interpreter[{i}].")
            for i, table in enumerate(written.interpreter)
        ),
        cameras=tuple(
            _adapter("cameras", table, f"profile {where}: camera{'' if one_camera else f'[{i}]'}.")
            for i, table in enumerate(cameras)
        ),
        power=None if power is None else _adapter("power", power, f"profile {where}: power."),
        model=written.model,
        labels=written.labels,
        fit=written.fit,
        threads=written.threads,
        shared=written.shared,
        jpeg=written.jpeg,
    )


def _adapter(family: str, table: dict[str, Any], where: str) -> Adapter:
    kind = table.get("kind")
    if not isinstance(kind, str):
        raise ConfigError(f"{where}kind: a name is needed, one of: {', '.join(adapters.kinds(family))}")
    try:
        adapters.find(family, kind)
    except ConfigError as error:
        raise ConfigError(f"{where}kind: {error}") from error
    own = OF_THE_MODEL if family == "interpreters" else ()
    for key in own:
        if not isinstance(table.get(key, ""), str):
            raise ConfigError(f"{where}{key}: a name or a path is needed, in quotes")
    options = {key: value for key, value in table.items() if key not in ("kind", *own)}
    return Adapter(kind, adapters.check(family, kind, options, where), **{key: table.get(key) for key in own})
