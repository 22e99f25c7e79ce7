"""The peers: what is installed for each, and which file runs it."""

from __future__ import annotations

import contextlib
from importlib import metadata
from typing import Literal

import msgspec

from edge import models

Format = Literal["tflite", "onnx"]


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """One way to run the model.

    file: of `workers/`. package: the one whose version counts. packages: what pip installs for it; none: it runs in the
    environment of this command. model: the format that it reads. newest: the newest Python (3.x) that it has wheels
    for. note: what to know of its figures.
    """

    name: str
    file: str
    package: str
    packages: tuple[str, ...] = ()
    model: Format = "tflite"
    newest: int | None = None
    note: str = ""


BARE = "LiteRT, bare"
"""What inference is held against."""

OURS = "edgekit"
"""What the whole path is held against."""

MODEL = models.DEFAULT
"""The only model: the workers know what it takes."""

OPENCV = "opencv-python-headless"


def peers() -> list[Peer]:
    """All of them. Bare LiteRT is of the version that edgekit has here."""
    litert = "ai-edge-litert"
    with contextlib.suppress(metadata.PackageNotFoundError):  # 32-bit ARM: there pip will say why not
        litert = f"{litert}=={metadata.version(litert)}"
    old = ("tflite-runtime==2.14.0", "numpy<2", f"{OPENCV}<4.12")
    alone = "its steps cannot be timed apart, nor its threads be set"
    return [
        Peer(name=OURS, file="edgekit", package="edgekit"),
        Peer(name=BARE, file="litert", package="ai-edge-litert", packages=(litert, OPENCV)),
        Peer(name="tflite-runtime", file="tflite_runtime", package="tflite-runtime", packages=old, newest=11),
        Peer(name="MediaPipe", file="mediapipe", package="mediapipe", packages=("mediapipe",), note=alone),
        Peer(
            name="ONNX Runtime",
            file="onnxruntime",
            package="onnxruntime",
            packages=("onnxruntime", OPENCV),
            model="onnx",
        ),
        Peer(name="OpenCV dnn", file="opencv", package=OPENCV, packages=(OPENCV,), model="onnx"),
        Peer(name="OpenVINO", file="openvino", package="openvino", packages=("openvino", OPENCV)),
    ]
