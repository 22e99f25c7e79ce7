"""What the default model answers to photographs, and what it was given to see, as an .npz file of NumPy.

usage: answers.py FOLDER HOW_MANY FILE

names: of the photographs' files. scores: of all classes of each, in steps of the output's quantisation, for the photograph
brought to the model's size by a method that gives the same bytes everywhere. tensors: what edgekit's own preprocessing
makes of each photograph. `run` calls this on the machine that it stands on, test_answers.py on the emulated one.
"""

import platform
import sys
from pathlib import Path

import cv2
import numpy as np

import edge
from edge import profile
from edge.preprocess import frame_of


def save(folder: Path, many: int, file: str) -> None:
    names, scores, tensors = [], [], []
    with edge.Classifier(profile=profile.load("cpu")) as classify:
        engine = classify.engine
        spec = engine.interpreter.inputs[0]
        for path in sorted(folder.glob("*.jpg"))[:many]:
            picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
            classify(cv2.resize(picture, spec.shape[1:3], interpolation=cv2.INTER_LINEAR_EXACT))
            tensor = np.empty(spec.shape, spec.dtype)
            engine.prepare(frame_of(picture, 0), tensor)
            names.append(path.name)
            scores.append(engine.outputs[0].ravel().copy())
            tensors.append(tensor)
    np.savez_compressed(file, machine=platform.machine(), names=names, scores=scores, tensors=tensors)


if __name__ == "__main__":
    save(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
