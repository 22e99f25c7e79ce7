"""What the default model answers to photographs, as one JSON object on standard output.

usage: answers.py FOLDER HOW_MANY

Each photograph by its file's name: the scores of all classes, in steps of the output's quantisation. `run` calls this
on the machine that it stands on, test_answers.py on the emulated one.
"""

import json
import platform
import sys
from pathlib import Path

import cv2

import edge
from edge import profile


def answers(folder: Path, many: int) -> dict[str, list[int]]:
    with edge.Classifier(profile=profile.load("cpu")) as classify:
        found = {}
        for file in sorted(folder.glob("*.jpg"))[:many]:
            classify(cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB))
            found[file.name] = classify.engine.outputs[0].ravel().tolist()
        return found


if __name__ == "__main__":
    json.dump({"machine": platform.machine(), "answers": answers(Path(sys.argv[1]), int(sys.argv[2]))}, sys.stdout)
