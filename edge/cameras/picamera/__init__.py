"""A Raspberry Pi's own camera, and others that libcamera drives, through picamera2.

The ISP makes a second, small stream (`lores`) of the size that the model needs, so that the processor has nothing left
to scale; the main stream is kept for pictures. Method and stream names are those of picamera2 0.3.12 (Raspberry Pi OS
Bookworm) to 0.3.38, and of its manual, chapters 4 and 6.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import cv2
import msgspec
import numpy as np

from edge.cameras.picamera.ending import bounded, handed, removed, shut
from edge.cameras.picamera.streams import Layout, plan, read
from edge.devices import believable, permitted
from edge.errors import AdapterError, CameraError, EdgeError, one_line
from edge.stderr import held_back
from edge.types import Array, Clock, Frame

INSTALL = (
    "install it with `sudo apt install python3-picamera2`, and make the environment with "
    "`python3 -m venv --system-site-packages`"
)

Number = Annotated[int, msgspec.Meta(ge=0, le=63)]
Pixels = Annotated[int, msgspec.Meta(ge=64, le=8192)]

WAIT_S = 2.5
"""A camera that gives nothing for so long is gone: an unplugged one raises nothing."""

FIRST_S = 8.0
"""Its first frame may take so long: the sensor starts, and exposure is measured."""

OPEN_S = 20.0
"""To load libcamera and set a camera up takes a slow board seconds."""

BUFFERS = 4

Wanted = tuple[int | None, int | None, tuple[int, int] | None]
"""Width and height of the main stream, and the size that the small one covers; None: nobody says."""

ROOT = Path("/")

log = logging.getLogger("edge")


class Picamera:
    """An open camera. Frames are RGB as a rule (`frame.pixel_format` tells), of the small stream where there is one.

    Any thread may call `picture` while another one iterates.
    """

    live = True
    skipped = 0

    def __init__(
        self,
        camera: Any,
        name: str,
        stream: str,
        clock: Clock,
        boot_clock: Clock,
        limits_s: tuple[float, float] = (FIRST_S, WAIT_S),
    ) -> None:
        self._camera: Any = camera
        self._name = name
        self._stream = stream
        self._clock = clock
        self._boot_clock = boot_clock
        self._wait_s, self._later_s = limits_s

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames as they come. Raises CameraError within three seconds when the camera stops giving them."""
        index = 0
        while True:
            layout, data, sensor = self._take(self._stream)
            pixels, pixel_format = read(layout, data)
            captured = self._captured_at(sensor)
            yield Frame(
                pixels=pixels, pixel_format=pixel_format, index=index, captured_at_ns=captured, size=layout.size
            )
            index += 1

    def picture(self) -> Array:
        """The next picture of the main stream, H x W x 3 uint8 RGB. Raises CameraError as iterating does."""
        layout, data, _ = self._take("main")
        pixels, pixel_format = read(layout, data)
        if pixel_format == "RGB":
            return pixels
        blue_first = cv2.imdecode(pixels, cv2.IMREAD_COLOR) if pixel_format == "MJPG" else pixels
        if blue_first is None:
            raise CameraError(f"{self._name}: the camera sent a JPEG that cannot be decoded; check its cable")
        return cv2.cvtColor(blue_first, cv2.COLOR_BGR2RGB)

    def _take(self, stream: str) -> tuple[Layout, Array, int | None]:
        """The next frame of a stream as its bytes, with the sensor's timestamp."""
        try:
            request = self._request()
            try:
                shape = request.config[stream]
                # One copy of the whole, out of memory that the processor does not cache, before anything reads in it.
                data = request.make_buffer(stream)
                sensor = request.get_metadata().get("SensorTimestamp")
            finally:
                request.release()
            return Layout(shape["format"], tuple(shape["size"]), shape["stride"]), data, sensor
        except EdgeError:
            raise
        except Exception as error:
            raise CameraError(f"{self._name}: the camera failed: {one_line(error)}; check its cable") from error

    def _request(self) -> Any:
        # Not `picam2.wait(job, timeout)`, which knows no timeout before 0.3.18: a signal all versions send.
        camera = self._camera
        if camera is None:
            raise CameraError(f"{self._name}: the camera is closed; open it again")

        def ask(take: Callable[[Any], None]) -> None:
            camera.capture_request(wait=False, signal_function=take)

        try:
            # What comes too late has one of the few buffers, without which the camera would stand still.
            job = handed(ask, self._wait_s, lambda job: job.get_result().release())
        except TimeoutError as error:
            words = f"no frame for {self._wait_s:g} s; check its cable and its power"
            raise CameraError(f"{self._name}: {words}") from error
        request = job.get_result()
        self._wait_s = self._later_s
        return request

    def _captured_at(self, sensor: int | None) -> int:
        """On the monotonic clock. libcamera tells the time since boot, which goes on while the machine sleeps."""
        now = self._clock()
        slept = self._boot_clock() - now
        for time_ns in () if sensor is None else (sensor - slept, sensor):
            if believable(time_ns, now):
                return time_ns
        return now

    def close(self) -> None:
        """Give the camera back; one whose library hangs is left behind after three seconds."""
        camera, self._camera = self._camera, None
        if camera is not None:
            shut(camera, self._name)


def open(
    *,
    number: Number = 0,
    width: Pixels | None = None,
    height: Pixels | None = None,
    covers: tuple[int, int] | None = None,
    clock: Clock = time.monotonic_ns,
    root: Path = ROOT,
) -> Picamera:
    """Open the camera of that number in `rpicam-hello --list-cameras`. Raises AdapterError and CameraError.

    width, height: of the main stream, which pictures are taken from; without them, of the sensor's proportions.
    covers: the (width, height) of the model's input, for which the ISP makes a small stream.
    """
    name = f"picamera:{number}"
    if removed(root):
        # libcamera 0.4 ends the whole process when such a camera returns (it registers the same name twice); no
        # CameraError, so that nobody waits for that.
        words = "its driver was taken away, and libcamera cannot have it back in the same process"
        raise AdapterError(f"{name}: {words}; start again when it has returned")
    library = load()
    try:
        camera, stream = started(library, number, (width, height, covers))
    except EdgeError:
        raise
    except Exception as error:
        raise failure(name, error, root) from error
    return Picamera(camera, name, stream, clock, lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME))


def load() -> Any:
    """picamera2's class. Raises AdapterError where it is missing, or does not fit what is here."""
    # Read when libcamera is loaded: it would write into the terminal, beside our one line.
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:FATAL")
    try:
        # Of the whole process, so only where there is something to say: at the first import.
        with contextlib.nullcontext() if "picamera2" in sys.modules else held_back():
            from picamera2 import Picamera2
    except (ImportError, ValueError, AttributeError) as error:
        said = one_line(error)
        if any(word in said for word in ("numpy", "NumPy", "_ARRAY_API", "multiarray")):
            advice = "`pip install 'numpy<2' 'opencv-python-headless<4.12'` in this environment"
            raise AdapterError(
                f"picamera2 of the system is built for another NumPy than {np.__version__}: {said}; {advice}"
            ) from error
        raise AdapterError(f"picamera2 cannot be loaded: {said}; {INSTALL}") from error
    if not logging.getLogger().isEnabledFor(logging.DEBUG):
        logging.getLogger("picamera2").setLevel(logging.CRITICAL)
    return Picamera2


def started(library: Any, number: int, wanted: Wanted, limit_s: float = OPEN_S) -> tuple[Any, str]:
    """An open camera that runs, and the name of the stream that frames are taken from.

    Raises CameraError where that takes longer; a camera that comes later is closed.
    """
    name = f"picamera:{number}"
    try:
        return bounded(lambda: _started(library, number, wanted), limit_s, lambda late: shut(late[0], name))
    except TimeoutError as error:
        raise CameraError(f"{name}: libcamera gives {error}; see `rpicam-hello --list-cameras`") from error


def _started(library: Any, number: int, wanted: Wanted) -> tuple[Any, str]:
    camera = library(number)
    try:
        stream = _configure(camera, wanted)
        camera.start()
        return camera, stream
    except BaseException:
        shut(camera, f"picamera:{number}")
        raise


def _configure(camera: Any, wanted: Wanted) -> str:
    """Try the small stream as RGB where the ISP makes that (Pi 5), then as YUV, then the main stream alone."""
    from libcamera import ColorSpace

    # The one that OpenCV's conversions decode; picamera2 takes BT.709 from 1280x720 on.
    always = {"buffer_count": BUFFERS, "colour_space": ColorSpace.Smpte170m()}
    sensor = camera.camera_properties.get("PixelArraySize")
    pi = "ColorFilterArrangement" in camera.camera_properties  # as picamera2 tells a Pi's camera from others
    plans = plan(tuple(sensor) if pi and sensor else None, *wanted)
    main, raw = {"format": "BGR888", "size": plans.main}, {"size": plans.sensor} if plans.sensor else {}
    pisp = getattr(getattr(type(camera), "platform", None), "name", "") == "PISP"
    for format in (["BGR888", "YUV420"] if pisp else ["YUV420"]) if plans.lores else []:
        lores = {"format": format, "size": plans.lores}
        try:
            camera.configure(camera.create_video_configuration(main=main, lores=lores, raw=raw, **always))
            return "lores"
        except Exception as error:  # noqa: BLE001 - AttributeError of None, where a pipeline has one stream
            log.debug("a small stream of %s %s cannot be had: %s", format, plans.lores, one_line(error))
    if plans.lores:
        log.info("this camera has no second stream: frames are of the main one, %dx%d", *plans.main)
    camera.configure(camera.create_video_configuration(main=main, raw=raw, **always))
    return "main"


def failure(name: str, error: BaseException, root: Path = ROOT) -> CameraError:
    """What picamera2 raised while it opened a camera, in words that help."""
    chain = [error, error.__cause__, getattr(error.__cause__, "__cause__", None)]
    said = one_line("; ".join(str(each) for each in chain if each is not None))
    if "dmaHeap" in said:
        advice = (
            "run `sudo usermod -aG video $USER` and log in again; where there is no /dev/dma_heap, update the kernel"
        )
        return CameraError(f"{name}: no memory for pictures can be had from /dev/dma_heap; {advice}")
    if "busy" in said or "acquire" in said:
        return CameraError(f"{name}: the camera is busy: another program uses it; end that, or name another source")
    if isinstance(error, IndexError) or "No camera number" in said or "not found" in said:
        closed = [path for path in sorted((root / "dev").glob("media*")) if not permitted(path)]
        if closed:
            advice = "run `sudo usermod -aG video $USER` and log in again"
            return CameraError(f"{name}: no permission for {closed[0]}; {advice}")
        advice = "check its ribbon cable with the power off, then see `rpicam-hello --list-cameras`"
        return CameraError(f"{name}: there is no such camera; {advice}")
    return CameraError(f"{name}: it cannot be opened: {said}; see `rpicam-hello --list-cameras`")
