"""What the default model sees in photographs, and what it answers, as arrays in an .npz file of NumPy.

usage: answers.py FOLDER HOW_MANY FILE [scores] [tensors]

scores: of all classes of each photograph, in steps of the output's quantisation, for the photograph brought to the
model's size by a method that gives the same bytes everywhere. tensors: what edgekit's own preprocessing makes of each.
`run` calls this on the machine that it stands on, test_answers.py on the emulated one.
"""

import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

import edge
from edge import profile
from edge.preprocess import frame_of


def scores(classify: edge.Classifier, pictures: list[np.ndarray]) -> Iterator[np.ndarray]:
    _, height, width, _ = classify.engine.interpreter.inputs[0].shape
    for picture in pictures:
        classify(cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR_EXACT))
        yield classify.engine.outputs[0].ravel().copy()


def tensors(classify: edge.Classifier, pictures: list[np.ndarray]) -> Iterator[np.ndarray]:
    spec = classify.engine.interpreter.inputs[0]
    for picture in pictures:
        tensor = np.empty(spec.shape, spec.dtype)
        classify.engine.prepare(frame_of(picture, 0), tensor)
        yield tensor


WAYS = {"scores": scores, "tensors": tensors}


def main(folder: str, many: str, file: str, *wanted: str) -> None:
    files = sorted(Path(folder).glob("*.jpg"))[: int(many)]
    pictures = [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in files]
    with edge.Classifier(profile=profile.load("cpu")) as classify:
        found = {name: np.array(list(WAYS[name](classify, pictures))) for name in wanted}
    np.savez_compressed(file, machine=platform.machine(), names=[path.name for path in files], **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
