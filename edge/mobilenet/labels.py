"""The 1000 class names of ImageNet-1k, and how a .tflite carries names inside it.

The list beside the default model has the first name of each WordNet synset of ILSVRC 2012 (Russakovsky et al., 2015),
one a line in the order of the classes. Four names that would be had twice are told apart: crane bird and construction
crane, maillot and maillot tank suit; the two corgis carry their full names, since "cardigan" is also a garment.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

from edge.models import DEFAULT, FOLDER
from edge.models.labels import read

MEMBER = "labels.txt"
"""The name of the label file inside a model."""


def imagenet() -> tuple[str, ...]:
    """The 1000 names, class 0 first."""
    return read(FOLDER / f"{DEFAULT}.txt")


def with_labels(model: bytes, labels: Sequence[str]) -> bytes:
    """``model`` with ``labels`` appended as a zip that holds ``MEMBER``, one name a line.

    A .tflite is read from its beginning and a zip from its end, so the file is both. Stored, not compressed: MediaPipe
    reads no other. Same input, same bytes.
    """
    file = io.BytesIO(model)
    entry = zipfile.ZipInfo(MEMBER, date_time=(1980, 1, 1, 0, 0, 0))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(entry, "".join(f"{label}\n" for label in labels), zipfile.ZIP_STORED)
    return file.getvalue()
