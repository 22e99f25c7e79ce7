"""One life of a camera's service: from its settings file to an exit code."""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from threading import Event as Flag
from threading import Thread

import cv2
import msgspec

from edge import adapters, whose
from edge import profile as profiles
from edge.errors import CameraError, ConfigError, EdgeError, ModelError
from edge.events.store import Store
from edge.host import Host
from edge.host.linux import Linux
from edge.meter import detect
from edge.pipeline import Pipeline
from edge.service import heap, lives, logs
from edge.service.house import House, Page
from edge.service.notify import Notify
from edge.service.opening import opened
from edge.service.places import EVENTS, settings_file, state_folder
from edge.service.post import Post
from edge.service.reload import Reload
from edge.service.signals import Asked
from edge.service.supervisor import in_words
from edge.service.voices import Voice, Voices
from edge.settings import Events, Settings
from edge.turns import Shares
from edge.types import PowerMeter

log = logging.getLogger("edge")

LATE = (
    "edge.cameras.picamera.listing",
    "edge.interpreters.tensorrt.engines",
    "edge.interpreters.tensorrt.shown",
    "edge.models.catalogue",
)
"""Modules that read values in whatever thread needs them first."""

END_S = 4.5
"""So long the end may take; what hangs then is left to the kernel."""


def run(path: str | Path, asked: Asked) -> int:
    """As `edge.service.run`; asked: by signals."""
    logs.begin(sys.stderr)
    heap.settle()
    with contextlib.suppress(AttributeError, OSError, RuntimeError):  # stderr is closed, or no file
        faulthandler.enable()  # systemd's watchdog aborts: the journal then tells where it hung
    cv2.setNumThreads(1)  # frames overlap with inference as it is
    gc.freeze()  # all that was loaded stays
    gc.enable()
    try:
        reload = _read(settings_file(path))
        code, again = Life(reload, asked).run()
        while again:
            code, again = Life(reload, asked).run()
        return code
    except (EdgeError, OSError) as error:
        return _failed(error)


def _read(path: Path) -> Reload:
    """Read the settings. Where that fails, how the life before ended is counted all the same: nobody tells it again."""
    try:
        return Reload(path)
    except ConfigError:
        if os.environ.get("STATE_DIRECTORY"):
            folder = state_folder(path.stem)
            with contextlib.closing(Store(folder / EVENTS, Events())) as store:
                lives.begun(folder, store)
        raise


def know(kind: type[msgspec.Struct] = msgspec.Struct) -> None:
    """Work out what a kind of value holds, and those below it, before there are threads.

    msgspec (0.22) does so at the first use, and the process crashes where two threads come first at one moment.
    """
    for module in LATE:
        import_module(module)
    for each in kind.__subclasses__():
        with contextlib.suppress(TypeError):  # one that is never read
            msgspec.json.Decoder(each)
        know(each)


def _failed(error: Exception) -> int:
    log.error("%s", in_words(error))
    log.debug("where it was", exc_info=error)
    return error.exit_code if isinstance(error, EdgeError) else 1


def _meter(settings: Settings) -> PowerMeter | None:
    """The meter that the profile names, else the first that gives a reading."""
    named = profiles.load(settings.profile).power
    if named is None:
        return detect()[0]
    meter: PowerMeter = adapters.open("power", named.kind, **named.options)
    return meter


class Life:
    """Puts all parts together, runs them, and takes them apart. asked: by signals. work: opens camera and model, as
    `opened` does. host, meter: tell of the board. folder: for events and pictures; None: where those of a service are.
    page: as `House` has it. end_s: so long the end may take before `leave` ends the process.

    Raises ConfigError for a user without a home, or where the file of several cameras has changed for the worse.
    """

    def __init__(
        self,
        reload: Reload,
        asked: Asked,
        *,
        work: Callable[..., Pipeline] = opened,
        notify: Notify | None = None,
        host: Host | None = None,
        meter: Callable[[Settings], PowerMeter | None] = _meter,
        folder: Path | None = None,
        page: Page | None = None,
        end_s: float = END_S,
        leave: Callable[[int], None] = os._exit,
    ) -> None:
        know()
        log.addFilter(whose.named)
        self._asked = asked
        self._done = Flag()
        self._failed = ""
        self._end_s = end_s
        self._leave = leave
        self.notify = notify or Notify()
        root = folder or state_folder(reload.name)
        reloads = reload.each()
        self.voices = Voices(self.notify, [each.settings.name for each in reloads])
        house = House(
            root,
            lambda: [post.watched for post in self.posts],
            host or Linux(),
            lambda: meter(reload.settings),
            page or Page(),
        )
        shares = Shares()

        def post(place: int, its: Reload) -> Post:
            own = its.settings.camera[:1]  # its own is the first
            several = len(reloads) > 1
            manager = Voice(self.voices, its.settings.name) if several else self.notify
            folder = root / own[0].name if own else root
            hangup, opens = partial(asked.reloads, place), partial(work, shares=shares)
            return Post(its, folder, manager, hangup, self.stop, None if place else house, opens, several)

        self.posts = [post(place, its) for place, its in enumerate(reloads)]

    @property
    def first(self) -> Post:
        """The first camera, which mostly is the only one."""
        return self.posts[0]

    @property
    def port(self) -> int | None:
        """Where the page is; None where it is not."""
        web = self.first.parts.outputs.one("web")
        return getattr(web, "port", None)

    @property
    def renamed(self) -> bool:
        """Whether it ends only to begin again with another name, or other cameras."""
        return any(post.parts.renamed for post in self.posts)

    def run(self) -> tuple[int, bool]:
        """Returns the exit code, and whether it ends only to begin again under another name."""
        code, why = 0, "stopped"
        for post in self.posts:
            post.start()
        for post in self.posts[1:]:
            post.vitals.restarts = self.first.vitals.restarts
        self._asked.at_end(self._end)
        try:
            if len(self.posts) == 1:
                self.first.run()
            else:
                self._run_all()
            why = lives.RENAMED if self.renamed else why
        except Exception as error:  # noqa: BLE001 - the end of this life; the next one may do better
            with whose.of(self._failed):
                code, why = _failed(error), _why(error)
        finally:
            self._close(why)
        return code, self.renamed and not code and not self._asked.ends

    def _run_all(self) -> None:
        """Run each camera in a thread. Raises what the last of them raises, where none is left that runs."""
        failed: list[tuple[str, Exception]] = []

        def run(post: Post) -> None:
            try:
                post.run_beside(lambda: all(each.waits or each.ended for each in self.posts))
            except Exception as error:  # noqa: BLE001 - handed to the main thread, which raises it
                failed.append((post.name, error))
                self.stop()
            finally:
                post.ended = True
                self.voices.over(post.name)

        threads = [Thread(target=run, args=(post,), name=f"edge-{post.name}", daemon=True) for post in self.posts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            self._failed, error = failed[0]
            raise error

    def stop(self) -> None:
        """End soon; from any thread."""
        for post in self.posts:
            post.stop()

    def _close(self, why: str) -> None:
        if not self.renamed:
            self.notify.stopping()
        for post in self.posts:
            post.close(why)
        self.notify.close()
        self._done.set()

    def _end(self) -> None:
        """The answer to SIGTERM: a clean end, or a quick one."""
        self.stop()
        Thread(target=self._guard, name="edge-guard", daemon=True).start()

    def _guard(self) -> None:
        if not self._done.wait(self._end_s):
            log.warning("the end takes longer than %g s; what hangs is left behind", self._end_s)
            self._leave(0)


def _why(error: Exception) -> str:
    if isinstance(error, ConfigError | ModelError):
        return "settings"
    return "camera" if isinstance(error, CameraError) else "interpreter"
