"""A Raspberry Pi's own camera, and others that libcamera drives, through picamera2.

The ISP makes a second, small stream (`lores`) of the size that the model needs, so that the processor has nothing left
to scale; the main stream is kept for pictures. Method and stream names are those of picamera2 0.3.12 (Raspberry Pi OS
Bookworm) to 0.3.38, and of its manual, chapters 4 and 6.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import cv2
import msgspec
import numpy as np

from edge.cameras.picamera.ending import bounded, removed, shut
from edge.cameras.picamera.streams import Layout, plan, read
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

YOUNG_NS = 10_000_000_000
"""A sensor's timestamp older than this belongs to some other clock."""

BUFFERS = 4

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
        if self._camera is None:
            raise CameraError(f"{self._name}: the camera is closed; open it again")
        done = Event()
        job = self._camera.capture_request(wait=False, signal_function=lambda job: done.set())
        if not done.wait(self._wait_s):
            raise CameraError(f"{self._name}: no frame for {self._wait_s:g} s; check its cable and its power")
        request = job.get_result()
        self._wait_s = self._later_s
        return request

    def _captured_at(self, sensor: int | None) -> int:
        """On the monotonic clock. libcamera tells the time since boot, which goes on while the machine sleeps."""
        now = self._clock()
        slept = self._boot_clock() - now
        for time_ns in () if sensor is None else (sensor - slept, sensor):
            if now - YOUNG_NS < time_ns <= now:
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
        camera, stream = bounded(lambda: _started(library, number, (width, height, covers)), OPEN_S)
    except TimeoutError as error:
        raise CameraError(f"{name}: libcamera gives {error}; see `rpicam-hello --list-cameras`") from error
    except EdgeError:
        raise
    except Exception as error:
        raise failure(name, error, root) from error
    return Picamera(camera, name, stream, clock, lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME))


def load() -> Any:
    """picamera2's class. Raises ImportError where it is missing, AdapterError where it does not fit what is here."""
    # Read when libcamera is loaded: it would write into the terminal, beside our one line.
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:FATAL")
    try:
        with held_back():
            from picamera2 import Picamera2
    except (ImportError, ValueError, AttributeError) as error:
        said = one_line(error)
        if any(word in said for word in ("numpy", "NumPy", "_ARRAY_API", "multiarray")):
            advice = "`pip install 'numpy<2' 'opencv-python-headless<4.12'` in this environment"
            raise AdapterError(
                f"picamera2 of the system is built for another NumPy than {np.__version__}: {said}; {advice}"
            ) from error
        if isinstance(error, ImportError):
            raise
        raise AdapterError(f"picamera2 cannot be loaded: {said}; {INSTALL}") from error
    if not logging.getLogger().isEnabledFor(logging.DEBUG):
        logging.getLogger("picamera2").setLevel(logging.CRITICAL)
    return Picamera2


def _started(library: Any, number: int, wanted: tuple[int | None, int | None, tuple[int, int] | None]) -> Any:
    """An open camera that runs, and the name of the stream that frames are taken from."""
    camera = library(number)
    try:
        stream = _configure(camera, wanted)
        camera.start()
        return camera, stream
    except BaseException:
        shut(camera, f"picamera:{number}")
        raise


def _configure(camera: Any, wanted: tuple[int | None, int | None, tuple[int, int] | None]) -> str:
    """Try the small stream as RGB where the ISP makes that (Pi 5), then as YUV, then the main stream alone."""
    sensor = camera.camera_properties.get("PixelArraySize")
    pi = "ColorFilterArrangement" in camera.camera_properties  # as picamera2 tells a Pi's camera from others
    plans = plan(tuple(sensor) if pi and sensor else None, *wanted)
    main, raw = {"format": "BGR888", "size": plans.main}, {"size": plans.sensor} if plans.sensor else {}
    pisp = getattr(getattr(type(camera), "platform", None), "name", "") == "PISP"
    for format in (["BGR888", "YUV420"] if pisp else ["YUV420"]) if plans.lores else []:
        lores = {"format": format, "size": plans.lores}
        try:
            camera.configure(camera.create_video_configuration(main=main, lores=lores, raw=raw, buffer_count=BUFFERS))
            return "lores"
        except Exception as error:  # noqa: BLE001 - AttributeError of None, where a pipeline has one stream
            log.debug("a small stream of %s %s cannot be had: %s", format, plans.lores, one_line(error))
    if plans.lores:
        log.info("this camera has no second stream: frames are of the main one, %dx%d", *plans.main)
    camera.configure(camera.create_video_configuration(main=main, raw=raw, buffer_count=BUFFERS))
    return "main"


def permitted(device: Path) -> bool:
    """Whether this user may open a device for reading and writing."""
    return os.access(device, os.R_OK | os.W_OK, effective_ids=True)


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
