"""picamera2 as a script: what its versions 0.3.12 to 0.3.38 do, and how it fails, without libcamera.

Behaviours are those of the real package's source (picamera2.py, job.py, request.py): jobs that a thread of the library
finishes, an unplugged camera that raises nothing, sizes that must be even, a small stream that must be YUV before Pi 5,
rows padded to the hardware's alignment, and the words of each failure. `SCRIPT` is set by tests.
"""

import os
import signal
import threading
import time
from concurrent.futures import CancelledError, Future
from types import SimpleNamespace

import cv2
import libcamera
import numpy as np

SCRIPT = SimpleNamespace()

SENSOR = {"PixelArraySize": (4608, 2592), "ColorFilterArrangement": 0, "Model": "imx708_wide"}

RGB = (200, 60, 90)
"""Every pixel; the first column is white, so that a lost or repeated row shows."""


def play(**changes):
    """Set the script anew. frames: after so many the camera is unplugged; None: never."""
    SCRIPT.__dict__.clear()
    SCRIPT.__dict__.update(
        {
            "cameras": [{"Model": "imx708_wide", "Location": 2, "Rotation": 180, "Id": "/base/soc/i2c0mux/imx708@1a"}],
            "properties": SENSOR,
            "platform": "VC4",
            "frames": None,
            "streams": 2,
            "give": {},
            "init": None,
            "start": None,
            "job": None,
            "hang": (),
            "free": threading.Event(),
            "gone": threading.Event(),
            "flushes": True,
            "sensor_ns": lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME) - 5_000_000,
            "configured": [],
            "opened": [],
        }
        | changes
    )


play()


class Job:
    """A future that knows no timeout, as before 0.3.18."""

    def __init__(self):
        self._future = Future()

    def get_result(self):
        return self._future.result()

    def cancel(self):
        self._future.set_exception(CancelledError())


class Request:
    def __init__(self, config):
        self.config, self.released = config, 0

    def make_buffer(self, name):
        if self.config.get(name) is None:
            raise RuntimeError(f"Stream {name!r} is not defined")
        assert not self.released
        return buffer(self.config[name])

    def get_metadata(self):
        stamp = SCRIPT.sensor_ns()
        return {"ExposureTime": 1000} | ({} if stamp is None else {"SensorTimestamp": stamp})

    def release(self):
        self.released += 1
        assert self.released == 1


def buffer(stream):
    (w, h), stride, form = stream["size"], stream["stride"], stream["format"]
    rgb = np.full((h, w, 3), RGB, np.uint8)
    rgb[:, 0] = 255
    if form == "MJPEG":
        return np.ravel(cv2.imencode(".jpg", rgb[:, :, ::-1])[1])
    if form == "YUV420":
        planes = encoded(rgb, stream["colour_space"])
        padded = np.full(stride * h * 3 // 2, 77, np.uint8)
        ends = np.cumsum([0, w * h, w * h // 4, w * h // 4])
        at = 0
        for place, half in enumerate((1, 2, 2)):
            begin, end, width, pitch = ends[place], ends[place + 1], w // half, stride // half
            rows = planes[begin:end].reshape(-1, width)
            padded[at : at + len(rows) * pitch].reshape(-1, pitch)[:, :width] = rows
            at += len(rows) * pitch
        flat = padded
    else:
        yuyv = np.full((h, w, 2), 128, np.uint8)
        packed = {
            "BGR888": rgb,
            "RGB888": rgb[:, :, ::-1],
            "XBGR8888": np.dstack([rgb, rgb[:, :, :1]]),
            "XRGB8888": np.dstack([rgb[:, :, ::-1], rgb[:, :, :1]]),
            "YUYV": yuyv,
        }.get(form, rgb[:, :, :1])
        flat = np.full((h, stride), 77, np.uint8)
        flat[:, : packed.shape[2] * w] = packed.reshape(h, -1)
    return np.concatenate([np.ravel(flat), np.zeros(-flat.size % 4096, np.uint8)])


def encoded(rgb, space):
    """Planes of 8 bits, of limited range: ITU-T H.273, equations 8-38 and following."""
    red, green, blue = np.moveaxis(rgb.astype(float), 2, 0)
    grey = space.kr * red + (1 - space.kr - space.kb) * green + space.kb * blue
    halves = [(blue - grey) / (1 - space.kb) / 2, (red - grey) / (1 - space.kr) / 2]
    halves = [half.reshape(len(rgb) // 2, 2, -1, 2).mean((1, 3)) for half in halves]
    scaled = [16 + grey * 219 / 255, *(128 + half * 224 / 255 for half in halves)]
    return np.concatenate([plane.round().astype(np.uint8).ravel() for plane in scaled])


class Platform:
    def __get__(self, instance, owner):
        return SimpleNamespace(name=SCRIPT.platform)


class Picamera2:
    platform = Platform()

    @staticmethod
    def global_camera_info():
        if os.environ.get("SCRIPTED_PICAMERA2") == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        if os.environ.get("SCRIPTED_PICAMERA2") == "hang":
            time.sleep(60)
        return SCRIPT.cameras

    def __init__(self, camera_num=0):
        if "init" in SCRIPT.hang:
            SCRIPT.free.wait(5)
        if camera_num >= len(SCRIPT.cameras):
            words = f'No camera number {camera_num} found - use "rpicam-hello --list-cameras" to check'
            raise RuntimeError(words)
        if SCRIPT.init:
            raise RuntimeError("Camera __init__ sequence did not complete.") from SCRIPT.init
        self.camera_properties = dict(SCRIPT.properties)
        self.is_open = True
        self.closed, self.stopped, self.given, self.requests, self.pending = 0, 0, 0, [], []
        self.camera_config = None
        SCRIPT.opened.append(self)
        if SCRIPT.flushes:
            self.cancel_all_and_flush = lambda: [job.cancel() for job in self.pending]

    def create_video_configuration(self, main, lores=None, raw=None, colour_space=None, buffer_count=6):
        given = {"main": main, "lores": lores, "raw": raw}
        for name in ("main", "lores"):
            if given[name] is not None and any(side % 2 for side in given[name]["size"]):
                raise RuntimeError("width and height should be even")
        if lores is not None:
            if any(small > large for small, large in zip(lores["size"], main["size"], strict=True)):
                raise RuntimeError("lores stream dimensions may not exceed main stream")
            if SCRIPT.platform == "VC4" and lores["format"] != "YUV420":
                raise RuntimeError("lores stream must be YUV")
        large = main["size"][0] >= 1280 and main["size"][1] >= 720
        usual = libcamera.ColorSpace.Rec709() if large else libcamera.ColorSpace.Smpte170m()
        return given | {"buffer_count": buffer_count, "colour_space": colour_space or usual}

    def configure(self, config):
        SCRIPT.configured.append(config)
        if config["lores"] is not None and SCRIPT.streams < 2:
            raise AttributeError("'NoneType' object has no attribute 'orientation'")
        if config["lores"] is not None and config["lores"]["format"] in SCRIPT.give.get("refused", ()):
            raise RuntimeError(f"Invalid camera configuration: {config}")
        space = config["colour_space"]
        self.camera_config = {name: self._laid_out(name, config[name], space) for name in ("main", "lores")}

    def _laid_out(self, name, stream, space):
        if stream is None:
            return None
        form = SCRIPT.give.get(name, stream["format"])
        each = {"BGR888": 3, "RGB888": 3, "XBGR8888": 4, "XRGB8888": 4, "YUYV": 2}.get(form, 1)
        stride = -(-stream["size"][0] * each // 64) * 64
        return {"format": form, "size": stream["size"], "stride": stride, "colour_space": space}

    def start(self):
        if SCRIPT.start:
            raise SCRIPT.start

    def capture_request(self, wait=None, signal_function=None):
        assert wait is False, "the toolkit never waits without a limit"
        job = Job()
        if SCRIPT.frames is not None and self.given >= SCRIPT.frames:
            self.pending.append(job)
            self.late = lambda: self._finish(job, signal_function)
            return job
        self.given += 1
        threading.Thread(target=self._finish, args=(job, signal_function), daemon=True).start()
        return job

    def _finish(self, job, signal_function):
        if SCRIPT.job:
            job._future.set_exception(SCRIPT.job)
        else:
            self.requests.append(Request(self.camera_config))
            job._future.set_result(self.requests[-1])
        signal_function(job)

    def close(self):
        if "close" in SCRIPT.hang:
            SCRIPT.free.wait(5)
        self.closed += 1
        self.stopped += self.is_open
        self.is_open = False
        SCRIPT.gone.set()
