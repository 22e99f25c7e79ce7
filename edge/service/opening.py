"""Camera and model, opened in a thread: whoever waits for them stays awake, and need not wait for ever."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event as Flag
from threading import Lock

from edge import profile as profiles
from edge import source as sources
from edge.engine import requiring
from edge.errors import CameraError
from edge.inbox import Inbox
from edge.pipeline import Pipeline, open_pipeline
from edge.recovery import Ladder
from edge.settings import Settings, source_of
from edge.turns import Shares
from edge.whose import thread

WAITED_FOR_S = 86_400.0
"""A browser's camera gives nothing until somebody opens the page."""

TOP_K = 10
"""Classes of an answer: of scores that are probabilities, that is every one above 0.1."""


def opened(
    settings: Settings,
    ladder: Ladder,
    shares: Shares | None = None,
    inbox: Inbox | None = None,
    isolated: bool = True,
    paced: bool = False,
    default: Callable[[], str] = sources.default,
) -> Pipeline:
    """Open the camera and the model of a file. Raises the errors of `edge.errors`.

    shares: of the cameras of this process. inbox: of pictures from a browser. isolated: no interpreter runs in this
    process, so that none takes it along. paced: a recording is shown at its own rate, as a camera would. default: the
    source where none is named; the photographs that ship are none: nothing that runs unattended chooses them by itself.
    """
    profile = requiring(profiles.load(settings.profile), settings.require)
    if settings.source is None and not profile.cameras and default() == "sample:":
        raise CameraError("no camera was found; plug one in, or name one as `source`")
    return open_pipeline(
        profile,
        source_of(settings),
        patience_s=settings.recovery.patience_s,
        ladder=ladder,
        isolated=isolated,
        repeat=settings.repeat,
        paced=paced,
        shares=shares,
        inbox=inbox,
        stall_s=WAITED_FOR_S if settings.source == "browser:" else None,
        model=settings.model,
        labels=settings.labels,
        fit=settings.fit,
        threads=settings.threads,
        top_k=TOP_K,
    )


class Opening:
    """One try. work: opens; what comes of it after `abandon` is closed at once."""

    def __init__(self, work: Callable[[], Pipeline]) -> None:
        self._work = work
        self._done = Flag()
        self._lock = Lock()
        self._abandoned = False
        self._pipeline: Pipeline | None = None
        self._error: BaseException | None = None
        thread(self._run, "edge-begin").start()

    def await_(self, seconds: float) -> bool:
        """Wait so long; whether it has come to an end."""
        return self._done.wait(seconds)

    @property
    def pipeline(self) -> Pipeline:
        """What was opened, after the end. Raises what opening raised."""
        if self._error is not None:
            raise self._error
        if self._pipeline is None:
            raise CameraError("opening the camera has not ended yet; wait for it")
        return self._pipeline

    def abandon(self) -> None:
        """Have no more to do with it."""
        with self._lock:
            self._abandoned = True
            left = self._pipeline
        if left is not None:
            left.close()

    def _run(self) -> None:
        try:
            pipeline = self._work()
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits, which raises it
            self._error = error
        else:
            with self._lock:
                self._pipeline, abandoned = pipeline, self._abandoned
            if abandoned:
                pipeline.close()
        self._done.set()
