"""The live view of a desktop: a window of OpenCV, where it has any."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from threading import Event as Flag

import cv2
import numpy as np

from edge import children
from edge.annotate import annotate, moment, told
from edge.errors import AdapterError, CameraError, DeviceError, one_line
from edge.picture import picture
from edge.types import Array
from edge.vitals import Vitals

WIDTH, WIDTH_OF_SEVERAL = 1280, 640

BESIDE, BELOW = 660, 560
"""Pixels from one of several windows to the next."""

DARKER = 3
"""A picture that is no longer what the camera sees is so much darker."""

KEYS = (27, ord("q"))
"""Escape, or q: the end."""

ADVICE = (
    "this OpenCV has no windows; leave out --window and look in a browser, or put one in its place that has them: "
    "`pip uninstall opencv-python-headless`, then `pip install opencv-python`"
)

TRY = "import cv2; cv2.namedWindow('edge'); cv2.waitKey(1); cv2.destroyAllWindows()"

TRY_S = 20.0


def must_have_windows(information: str | None = None) -> None:
    """Raise AdapterError where OpenCV was built without windows, DeviceError where there is no desktop for one.

    That is tried in a child: the libraries below (Qt) end a process that finds no desktop. information: of OpenCV's
    build; None: this one's.
    """
    lines = (cv2.getBuildInformation() if information is None else information).splitlines()
    gui = next((line.partition(":")[2].strip() for line in lines if line.strip().startswith("GUI:")), "NONE")
    if gui in ("NONE", ""):
        raise AdapterError(ADVICE)
    ended = children.run(TRY, TRY_S)
    if ended.code != 0:
        lines = ended.err.decode("utf-8", "replace").splitlines()
        why = one_line(next((line for line in lines if "could not connect" in line), ended.last_words), 120)
        raise DeviceError(f"no window can be opened here ({why}); look in a browser, without --window")


def show(cameras: Callable[[], list[Vitals]], over: Flag) -> None:
    """Show what cameras see, a window each, until one is closed, a key ends it, or all is over.

    Raises DeviceError where the desktop is lost.
    """
    drawn: dict[str, object] = {}
    try:
        while not over.is_set():
            several = cameras()
            for vitals in several:
                _draw(vitals, drawn, len(several) > 1)
            if cv2.waitKey(15) & 0xFF in KEYS or any(_closed(name) for name in drawn):
                return
    except cv2.error as error:
        raise DeviceError(f"the window is lost: {one_line(error)}; look in a browser, without --window") from error
    finally:
        cv2.destroyAllWindows()


def _draw(vitals: Vitals, drawn: dict[str, object], is_one_of_several: bool) -> None:
    """Draw what there is to see, where it is not there yet. drawn: what stands in each window."""
    latest, name = vitals.latest, vitals.name
    now = (latest and latest[0].index, None if vitals.condition == "running" else vitals.words)
    if now == drawn.get(name) or (latest is None and vitals.condition == "starting"):
        return
    pixels = seen(vitals, WIDTH_OF_SEVERAL if is_one_of_several else WIDTH)
    if pixels is None:
        return
    cv2.imshow(name, pixels)
    if is_one_of_several and name not in drawn:
        cv2.moveWindow(name, len(drawn) % 2 * BESIDE, len(drawn) // 2 * BELOW)
    drawn[name] = now


def seen(vitals: Vitals, width: int) -> Array | None:
    """The newest frame with its answer: H x W x 3 uint8, BGR, at most `width` wide; None where it cannot be decoded.

    Where none comes it is dark, or black where none ever came, and says why.
    """
    latest = vitals.latest
    try:
        pixels = np.zeros((width * 3 // 4, width, 3), np.uint8) if latest is None else picture(latest[0], width)
    except CameraError:
        return None
    words = vitals.words
    if latest is None or vitals.condition != "running":
        pixels //= DARKER
    else:
        words = told(latest[1], None) + (f"  {vitals.fps:.1f} FPS" if vitals.fps else "")
    annotate(pixels, words, moment(datetime.now(timezone.utc)))
    return pixels


def _closed(name: str) -> bool:
    return cv2.getWindowProperty(name, cv2.WND_PROP_VISIBLE) < 1
