from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

import edge.models
from edge.mobilenet.labels import imagenet, with_labels
from edge.models import card, labels

MODEL = Path(edge.models.__file__).parent / "default" / "mobilenet_v2_1.0_224_int8.tflite"


@pytest.fixture(scope="module")
def model() -> bytes:
    return MODEL.read_bytes()


def test_its_card_lies_beside_it_and_names_this_very_file(model: bytes) -> None:
    read = card.read(card.path_beside(MODEL))
    assert read.sha256 == hashlib.sha256(model).hexdigest()
    assert (read.task, read.classes, read.fit) == ("classify", 1000, "crop")


def test_its_card_gives_scores_of_pictures_near_the_float_network_s() -> None:
    accuracy = card.read(card.path_beside(MODEL)).accuracy
    assert accuracy is not None
    assert accuracy.images == 200
    assert accuracy.float_top1 is not None and accuracy.float_top1 - accuracy.top1 <= 0.005 + 1e-9


def test_it_carries_the_thousand_labels(model: bytes) -> None:
    assert labels.embedded(model) == imagenet()


def test_the_labels_are_a_thousand_and_no_two_are_the_same() -> None:
    names = imagenet()
    assert len(names) == 1000 == len({name.casefold() for name in names})
    assert all(name == name.strip() != "" for name in names)
    assert (names[285], names[88], names[934]) == ("Egyptian cat", "macaw", "hotdog")


def test_labels_are_appended_behind_the_model_and_always_alike() -> None:
    plain = b"the flatbuffer"
    assert with_labels(plain, ["a", "b"]) == with_labels(plain, ["a", "b"])
    assert with_labels(plain, ["a", "b"]).startswith(plain)
    assert labels.embedded(with_labels(plain, ["a", "b"])) == ("a", "b")


def test_it_is_about_four_megabytes_and_carries_no_folder_of_the_machine_that_made_it(model: bytes) -> None:
    assert 3_500_000 < len(model) < 4_100_000
    assert not [folder for folder in (b"/tmp/", b"/home/", b"/root/") if folder in model]


def test_it_takes_pixels_as_they_are_and_gives_uint8_probabilities(model: bytes) -> None:
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = litert.Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert given["dtype"] == made["dtype"] == np.uint8
    assert given["shape"].tolist() == [1, 224, 224, 3] and made["shape"].tolist() == [1, 1000]
    assert given["quantization"] == (pytest.approx(1 / 127.5), 128)
    assert made["quantization"] == (1 / 256, 0)
