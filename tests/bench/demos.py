"""A whole process with a page, of real parts: its camera shows a photograph that moves, and is lost when it is told."""

import sys
import time
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from edge.cameras import sample
from edge.service.house import Page
from edge.service.life import Life
from edge.service.notify import Notify
from edge.service.opening import opened
from edge.service.reload import Still
from edge.service.signals import Asked
from edge.settings import Camera, Recovery, Rules, Settings, Snapshots, Web
from edge.web.choices import Choices

GUARD_S = 60.0

PHOTOGRAPHS = sample.FOLDER

CAMERA = """
import pathlib, time
import cv2, numpy
from edge.errors import CameraError
from edge.types import Frame

INSTALL = ""

class Moving:
    live, skipped = True, 0

    def __init__(self, photograph, gone):
        self.picture, self.gone, self.over = cv2.imread(photograph), pathlib.Path(gone), False

    def __iter__(self):
        index = 0
        while not self.over:
            if self.gone.exists():
                raise CameraError("the cable was pulled; plug it in")
            shifted = numpy.ascontiguousarray(numpy.roll(self.picture, index % 40, axis=1))
            size = shifted.shape[1], shifted.shape[0]
            yield Frame(pixels=shifted, index=index, captured_at_ns=time.monotonic_ns(), size=size)
            index += 1
            time.sleep(0.05)

    def close(self):
        self.over = True

def open(*, photograph: str, gone: str):
    if pathlib.Path(gone).exists():
        raise CameraError("no camera is there; plug it in")
    return Moving(photograph, gone)
"""


def until(true, pause=time.sleep):
    """Wait until something is so."""
    end = time.monotonic() + GUARD_S
    while not true():
        assert time.monotonic() < end, "it never was so"
        pause(0.02)


class Demo:
    """photographs: one of them a camera. gone: while this file is there, the first camera is not."""

    def __init__(self, folder, *photographs, port=0, kept=None, **web):
        self.folder, self.gone, self.kept = Path(folder), Path(folder) / "gone", kept
        self.port, self.web = port, web
        self.settings = self._settings([Path(each) for each in photographs])

    def _settings(self, photographs):
        package = self.folder / "outsidecamera"
        package.mkdir(exist_ok=True)
        (package / "__init__.py").touch()
        (package / "moving.py").write_text(CAMERA)
        cameras = []
        for number, photograph in enumerate(photographs):
            gone = self.gone if number == 0 else self.folder / "never"
            profile = self.folder / f"{photograph.stem}.toml"
            profile.write_text(
                f'name = "{photograph.stem}"\n[[interpreter]]\nkind = "litert"\n'
                f'[camera]\nkind = "outsidecamera.moving"\n'
                f'photograph = "{photograph}"\ngone = "{gone}"\n'
            )
            cameras.append(Camera(name=photograph.stem, profile=str(profile)))
        return Settings(
            name="house",
            profile=cameras[0].profile,
            camera=cameras if len(cameras) > 1 else [],
            rules=Rules(threshold_in=0.3, threshold_out=0.2, smooth_s=0.2, clear_s=0.5),
            recovery=Recovery(patience_s=3600),
            snapshots=Snapshots(before_s=0),
            web=Web(listen=f"127.0.0.1:{self.port}", **self.web),
        )

    def start(self):
        sys.path.insert(0, str(self.folder))
        choices = Choices(lambda: [("sample:", "photographs that ship")])
        self.life = Life(
            Still(self.settings),
            Asked(),
            work=lambda settings, ladder, shares: opened(settings, ladder, shares, isolated=False, paced=True),
            notify=Notify({}),
            meter=lambda settings: None,
            folder=self.folder / "state",
            page=Page(choices, self.kept),
        )
        self._thread = Thread(target=self.life.run)
        self._thread.start()
        until(lambda: self.life.port and all(post.vitals.latest for post in self.life.posts))
        self.port = self.life.port
        return self

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    def stop(self):
        self.life.stop()
        self._thread.join(GUARD_S)
        sys.path.remove(str(self.folder))
        for name in [name for name in sys.modules if name.startswith("outsidecamera")]:
            del sys.modules[name]


@contextmanager
def running(folder, *photographs, **more):
    """A demo that runs."""
    demo = Demo(folder, *photographs, **more).start()
    try:
        yield demo
    finally:
        demo.stop()
