"""edgekit: int8 MobileNetV2 on Raspberry Pi, Coral and Jetson, from a camera to an answer.

import edge

classify = edge.Classifier()
print(classify(image).answer)               # image: H x W x 3 uint8, RGB

with edge.open_pipeline(source="camera:0") as pipeline:
    for result in pipeline:
        print(result.answer[0].label)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge.classifier import Classifier as Classifier
    from edge.errors import AdapterError as AdapterError
    from edge.errors import CameraError as CameraError
    from edge.errors import ConfigError as ConfigError
    from edge.errors import DeviceError as DeviceError
    from edge.errors import EdgeError as EdgeError
    from edge.errors import FetchError as FetchError
    from edge.errors import InferenceError as InferenceError
    from edge.errors import MeterError as MeterError
    from edge.errors import ModelError as ModelError
    from edge.pipeline import Pipeline as Pipeline
    from edge.pipeline import open_pipeline as open_pipeline
    from edge.types import Classification as Classification
    from edge.types import Frame as Frame
    from edge.types import Result as Result

__version__ = "0.1.0"

# Names are loaded when they are first used, so that `import edge.errors` does not load OpenCV.
PUBLIC = {
    "AdapterError": "edge.errors",
    "CameraError": "edge.errors",
    "Classification": "edge.types",
    "Classifier": "edge.classifier",
    "ConfigError": "edge.errors",
    "DeviceError": "edge.errors",
    "EdgeError": "edge.errors",
    "FetchError": "edge.errors",
    "Frame": "edge.types",
    "InferenceError": "edge.errors",
    "MeterError": "edge.errors",
    "ModelError": "edge.errors",
    "Pipeline": "edge.pipeline",
    "Result": "edge.types",
    "open_pipeline": "edge.pipeline",
}

__all__ = sorted(PUBLIC)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in PUBLIC:
        return getattr(import_module(PUBLIC[name]), name)
    raise AttributeError(f"module 'edge' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *PUBLIC])
