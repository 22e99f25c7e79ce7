"""A live camera that shows a video over and over. Frozen, it hangs in reading and in opening, and nothing ends that."""

import time

import cv2

from edge.types import Frame
from plays import hang

INSTALL = "it needs nothing"


class Playing:
    live = True
    skipped = 0

    def __init__(self, path: str, hangs: bool, fps: float) -> None:
        self._path, self._hangs, self._fps = path, hangs, fps

    def __iter__(self):
        index = 0
        while True:
            video = cv2.VideoCapture(self._path)
            while (read := video.read())[0]:
                time.sleep(1 / self._fps)
                if self._hangs:
                    hang("camera")
                height, width = read[1].shape[:2]
                yield Frame(pixels=read[1], index=index, captured_at_ns=time.monotonic_ns(), size=(width, height))
                index += 1

    def close(self) -> None:
        pass


def open(*, path: str, hangs: bool = False, fps: float = 5.0) -> Playing:
    if hangs:
        hang("camera")
    return Playing(path, hangs, fps)
