"""From what a user asks for to jobs: models, frames and cameras are found and checked before anything is measured."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from itertools import islice, product
from pathlib import Path

import msgspec

from edge import adapters, models
from edge import profile as profiles
from edge import source as sources
from edge.adapters import Adapter
from edge.cameras import sample
from edge.engine import Engine, open_engine
from edge.errors import CameraError, ConfigError
from edge.models import ModelFile
from edge.preprocess import decode
from edge.profile import DeviceProfile
from edge.types import Camera, Fit, Frame

from .paced import Paced
from .parts import Bench, Job

FRAMES = 8
"""Decoded frames that are gone through round and round: enough that none stays in a small cache."""

PICTURES = 100
"""Of --data, at most, for the check of the answers."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a user asks for, as the command line gives it; None is left to the profile."""

    profile: str
    scenarios: tuple[str, ...]
    models: tuple[str, ...]
    labels: str | None
    fit: Fit | None
    threads: tuple[int, ...]
    streams: tuple[int, ...]
    source: str | None
    fps: float
    duration_s: float | None
    count: int | None


class Source:
    """Where frames come from: a source that was named, the profile's camera, or the photographs that ship."""

    def __init__(self, asked: Asked, profile: DeviceProfile, bench: Bench) -> None:
        """Raise ConfigError for a source that nobody understands."""
        self._asked = asked
        self._profile = profile
        self._bench = bench
        if asked.source is not None:
            sources.parse(asked.source)

    def name_for(self, scenario: str) -> str:
        """What the frames of a scenario are called."""
        if scenario not in ("camera", "streams"):
            return self._asked.source or "sample:"
        adapter = self._adapter
        return self._asked.source or (adapter.kind if self._profile.camera else sources.default())

    @cached_property
    def _adapter(self) -> Adapter:
        if self._asked.source is None and self._profile.camera is not None:
            return self._profile.camera
        return sources.parse(self._asked.source or sources.default())

    def camera(self) -> Camera:
        """Open the source as a camera; a recording is played at the rate that was asked for."""
        camera = self._opened(self._adapter)
        if camera.live or not self._asked.fps:
            return camera
        return Paced(camera, self._asked.fps, self._bench.clock, self._bench.sleep)

    def frames(self) -> list[Frame]:
        """The first frames, decoded. Raises CameraError where there are none."""
        if self._asked.source is None:
            return views(FRAMES)
        camera = self._opened(sources.parse(self._asked.source))
        try:
            return [_decoded(frame) for frame in _first(camera, FRAMES, self._asked.source)]
        finally:
            camera.close()

    def _opened(self, adapter: Adapter) -> Camera:
        takes = {name: adapters.takes("cameras", adapter.kind, name) for name in ("clock", "fps")}
        timed = {"clock": self._bench.clock} if takes["clock"] else {}
        unpaced = {"fps": 0.0} if takes["fps"] and adapter.kind == "sample" else {}
        camera: Camera = adapters.open("cameras", adapter.kind, **{**adapter.options, **unpaced, **timed})
        return camera


def views(count: int) -> list[Frame]:
    """So many views of the photographs that ship, evenly through a round of each: 480 x 640 x 3, BGR."""
    whole = len(sample.photographs()) * sample.FRAMES_EACH
    step = max(1, whole // count)
    return list(islice(islice(sample.open(fps=0.0), 0, whole, step), count))


def pictures(data: str | None, bench: Bench) -> list[Frame]:
    """What answers are checked on: the pictures of `data`, or the photographs that ship, each of them five times."""
    if data is None:
        return views(5 * len(sample.photographs()))
    camera: Camera = adapters.open("cameras", "images", path=data, clock=bench.clock)
    return [_decoded(frame) for frame in _first(camera, PICTURES, data)]


def _first(camera: Camera, count: int, name: str) -> list[Frame]:
    frames = list(islice(camera, count))
    if not frames:
        raise CameraError(f"{name}: it gave no frame; give another source")
    return frames


def _decoded(frame: Frame) -> Frame:
    if frame.pixel_format != "MJPG":
        return frame
    return msgspec.structs.replace(frame, pixels=decode(frame), pixel_format="BGR")


def jobs(asked: Asked, profile: DeviceProfile, bench: Bench) -> list[Job]:
    """Every combination, in the order it was asked for. Raises ModelError and ConfigError."""
    files = [models.load(name, asked.labels or profile.labels) for name in asked.models or (profile.model,)]
    source = Source(asked, profile, bench)
    found = []
    for file, scenario, threads in product(files, asked.scenarios, asked.threads or (None,)):
        for streams in asked.streams if scenario == "streams" else (1,):
            found.append(
                Job(
                    scenario=scenario,
                    model=file,
                    open=_opener(asked, profile, file, threads, bench),
                    camera=source.camera,
                    frames=source.frames,
                    source=source.name_for(scenario),
                    profile=asked.profile,
                    threads=threads,
                    duration_s=asked.duration_s,
                    count=asked.count,
                    streams=streams,
                )
            )
    return found


def _opener(
    asked: Asked, profile: DeviceProfile, file: ModelFile, threads: int | None, bench: Bench
) -> Callable[[], Engine]:
    return lambda: open_engine(profile, model=file, fit=asked.fit, threads=threads, clock=bench.clock)


def reference(job: Job, model: str | None, engine: Engine) -> Engine:
    """The same network on the processor, one thread. Raises the errors of the toolkit where nothing here runs it."""
    file = models.load(model) if model else job.model
    kind = {"tflite": "litert", "onnx": "onnx", "torch": "edge.mobilenet.interpreter"}[file.format]
    alone = msgspec.structs.replace(profiles.load(), interpreters=(Adapter(kind),))
    return open_engine(alone, model=file, fit=engine.preprocessor.fit, threads=1)


def text_of(profile: str) -> str:
    """A profile as it is written. Raises ConfigError."""
    path = profiles.shipped().get(profile, Path(profile))
    try:
        return path.read_text("utf-8", "replace")
    except OSError as error:
        raise ConfigError(f"profile {profile}: cannot be read: {error}; give a name or a TOML file") from error
