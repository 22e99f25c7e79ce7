"""The one loop: camera, preprocessing and inference overlap, each in its own thread.

    camera --frames--> preprocessing --ready--> inference and answer (the caller's thread)

A recorded source waits where the next stage is behind, and loses nothing. A live one drops the oldest frame and counts
it; the next frame is prepared just before the running inference is expected to end, so that it is as young as can be.
A live camera that fails, or hangs, is waited for; an interpreter that is lost has its successor.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec

from edge import profile as profiles
from edge.adapters import Adapter
from edge.engine import Wanted, openers
from edge.errors import ConfigError
from edge.inbox import Inbox
from edge.lasting import Lasting
from edge.paced import paced as at_its_rate
from edge.pipeline.loop import JOIN_S, RECORDED_STALL_S, STALL_S, Pipeline
from edge.pipeline.sources import Source, cameras, first_that_opens, is_listed, open_camera
from edge.profile import DeviceProfile
from edge.recovery import Ladder
from edge.repeating import Repeating
from edge.succession import Succession
from edge.turns import Shares, Turn
from edge.types import Clock

__all__ = [
    "JOIN_S", "PATIENCE_S", "RECORDED_STALL_S", "STALL_S", "Pipeline", "Source", "cameras", "first_that_opens",
    "is_listed", "open_camera", "open_pipeline",
]  # fmt: skip

PATIENCE_S = 60.0
"""How long a live camera that failed is waited for."""


def open_pipeline(
    profile: str | Path | DeviceProfile | None = None,
    source: str | Path | None = None,
    *,
    clock: Clock = time.monotonic_ns,
    stall_s: float | None = None,
    patience_s: float = PATIENCE_S,
    ladder: Ladder | None = None,
    isolated: bool = False,
    repeat: bool = False,
    paced: bool = False,
    shares: Shares | None = None,
    inbox: Inbox | None = None,
    **engine_options: Any,
) -> Pipeline:
    """Open what a profile names: the first of its cameras that opens (or `source`, in the grammar of the command line),
    and the first of its interpreters that runs. profile: None is "auto", the one that fits this machine.

    patience_s: so long a live camera may be away in mid-run; 0: its failure ends the run. ladder: is told of each try
    to recover. isolated: an interpreter that would run in this process is served by a child, so that its crash or hang
    is a loss like any other. repeat: a recorded source begins anew when it ends. paced: a recording is shown at its own
    rate, as a camera would. shares: where the profile says so, the interpreter is shared with the other pipelines that
    are opened with these, and ask for the same. inbox: where the pictures of a browser's camera come. engine_options:
    model, labels, fit, threads, top_k, threshold, as `open_engine` takes them. Profile, source and model are checked
    before the camera is opened. Raises the errors of `edge.errors`.
    """
    if not patience_s >= 0:
        raise ConfigError(f"patience is {patience_s!r}; give a number of seconds, 0 or more")
    if not isinstance(profile, DeviceProfile):
        profile = profiles.load(profile or profiles.AUTO)
    listed = cameras(profile, None if source is None else str(source))
    ladder = ladder or Ladder()
    wanted = Wanted(clock=clock, isolated=isolated, **engine_options)
    succession = _answering(profile, wanted, ladder, shares)
    try:
        given = {"clock": clock, "covers": succession.engine.preprocessor.size, "inbox": inbox}
        chosen, camera = first_that_opens(listed, given)
    except BaseException:
        succession.close()
        raise
    if camera.live and patience_s > 0:
        # By its name that stays, where it has one: what is plugged in again may have another number.
        same = Adapter(chosen.adapter.kind, {**chosen.adapter.options, **getattr(camera, "again", {})})
        camera = Lasting(camera, lambda: open_camera(same, given), chosen.name, patience_s, ladder)
    opened, is_recorded = camera, not camera.live
    if repeat and is_recorded:
        camera = Repeating(camera, lambda: open_camera(chosen.adapter, given), chosen.name)
    if paced and is_recorded:
        camera = at_its_rate(camera, opened, clock)
    return Pipeline(camera, succession, chosen.name, stall_s)


def _answering(profile: DeviceProfile, wanted: Wanted, ladder: Ladder, shares: Shares | None) -> Succession | Turn:
    def opened(told: Ladder) -> Succession:
        return Succession(openers(profile, msgspec.structs.replace(wanted, told=told.works)), ladder=told)

    if shares is None or profile.sharing is None:
        return opened(ladder)
    return shares.turn((profile.sharing, repr(wanted)), ladder, opened)
