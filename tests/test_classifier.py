import re

import cv2
import numpy as np
import pytest

import edge
from edge.errors import AdapterError, ConfigError, InferenceError, ModelError

RATES = {
    ("cat.bmp", "Egyptian cat"): 0.79,
    ("parrot.jpg", "macaw"): 0.996,
    ("grace_hopper.bmp", "military uniform"): 0.92,
    ("hot_dog.jpg", "hotdog"): 0.89,
}


def rgb(path):
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert picture is not None
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def test_a_picture_in_memory_is_classified(tiny, tiny_file):
    with edge.Classifier(tiny_file, threads=1, top_k=3) as classify:
        result = classify(tiny.picture({5: 255, 7: 200}))
    assert [(c.label, c.index) for c in result.answer][:2] == [("class f", 5), ("class h", 7)]
    assert [c.score for c in result.answer] == sorted((c.score for c in result.answer), reverse=True)
    assert len(result.answer) == 3
    assert result.backend == "litert-cpu"
    assert result.frame == 0
    assert result.finished_at_ns >= result.captured_at_ns
    assert min(result.timing.preprocess, result.timing.inference, result.timing.postprocess) >= 0


@pytest.mark.parametrize("kind", ["uint8", "int8", "float32"])
@pytest.mark.parametrize("softmax", [True, False])
def test_every_dtype_with_and_without_softmax_gives_the_softmax_of_the_input(tiny, tmp_path, kind, softmax):
    path = tmp_path / "m.tflite"
    path.write_bytes(tiny(kind, softmax=softmax))
    picture = tiny.picture({0: 40, 5: 64, 7: 50})
    with edge.Classifier(path, threads=1, top_k=12) as classify:
        answer = classify(picture).answer
    real = picture.reshape(-1) / 127.5 - 1 if kind == "float32" else picture.reshape(-1) / 16
    expected = np.exp(real) / np.exp(real).sum()
    found = np.zeros(12)
    for _, index, score in answer:
        found[index] = score
    np.testing.assert_allclose(found, expected, atol=1 / 256 + 1e-3)
    assert answer[0].index == 5


def test_a_picture_of_any_size_will_do(tiny, tiny_file):
    big = cv2.resize(tiny.picture({5: 255}), (40, 60), interpolation=cv2.INTER_NEAREST)
    with edge.Classifier(tiny_file, threads=1) as classify:
        assert classify(big).answer[0].label == "class f"


def test_a_classifier_tells_its_labels_and_what_runs_it(tiny_file):
    with edge.Classifier(tiny_file) as classify:
        assert classify.labels == tuple(f"class {letter}" for letter in "abcdefghijkl")
        assert classify.backend == "litert-cpu"


def test_an_answer_is_its_own_and_not_changed_by_the_next(tiny, tiny_file):
    with edge.Classifier(tiny_file) as classify:
        first = classify(tiny.picture({5: 255}))
        kept = first.answer
        classify(tiny.picture({7: 255}))
    assert first.answer == kept and kept[0].index == 5


def test_a_threshold_leaves_out_the_unlikely(tiny, tiny_file):
    with edge.Classifier(tiny_file, threshold=0.5) as classify:
        assert len(classify(tiny.picture({5: 255})).answer) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"top_k": 0}, "top_k is 0; give a whole number of 1 or more"),
        ({"threshold": 2}, "threshold is 2; give a number from 0 to 1"),
        ({"threshold": -0.1}, "threshold is -0.1; give a number from 0 to 1"),
        ({"threshold": float("nan")}, "threshold is nan; give a number from 0 to 1"),
        ({"profile": "nano"}, "profile nano: no such profile or file; shipped are: "),
    ],
)
def test_options_that_cannot_be_are_refused(options, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        edge.Classifier(**options)


@pytest.mark.parametrize("threads", [0, -1, 257, 1.5, "two"])
def test_a_number_of_threads_that_cannot_be_is_refused(tiny_file, threads):
    with pytest.raises((ConfigError, TypeError)):
        edge.Classifier(tiny_file, threads=threads)


def test_a_fit_that_does_not_exist_is_refused(tiny_file):
    with pytest.raises(ConfigError):
        edge.Classifier(tiny_file, fit="stretch")


@pytest.mark.parametrize("image", [None, "cat.jpg", np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3))])
def test_what_is_no_image_is_refused(tiny_file, image):
    with edge.Classifier(tiny_file) as classify, pytest.raises(ConfigError, match="an image must be a uint8 array"):
        classify(image)


def test_a_closed_classifier_says_so(tiny, tiny_file):
    classify = edge.Classifier(tiny_file)
    classify.close()
    classify.close()
    with pytest.raises(InferenceError, match="the interpreter was closed"):
        classify(tiny.picture({}))


def test_an_interpreter_from_a_profile_answers(profile_file):
    with edge.Classifier(profile=profile_file('["class 3 0.5"]')) as classify:
        result = classify(np.zeros((9, 9, 3), np.uint8))
    assert (result.backend, result.answer[0].label) == ("scripted", "class d")


def test_errors_are_the_builtins_too(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        edge.Classifier(tmp_path / "none.tflite")
    assert issubclass(AdapterError, ImportError)
    assert issubclass(ModelError, ValueError)


# --- real models


@pytest.fixture(scope="session")
def google(shared):
    model = shared / "models" / "mobilenet_v2_1.0_224_quant.tflite"
    with edge.Classifier(model, shared / "labels" / "imagenet_labels.txt", fit="squash", threads=1) as loaded:
        yield loaded


@pytest.mark.parametrize(("file", "label"), RATES)
def test_googles_model_gives_the_published_scores(shared, google, file, label):
    best = google(rgb(shared / "images" / file)).answer[0]
    assert best.label.split(",")[0] == label
    assert best.score == pytest.approx(RATES[file, label], abs=0.03)


@pytest.mark.parametrize("file", ["cat.bmp", "parrot.jpg", "grace_hopper.bmp", "hot_dog.jpg"])
def test_the_twin_that_gives_logits_agrees_and_its_scores_are_probabilities(shared, google, file):
    model = shared / "models" / "mobilenet_v2_1.0_224_quant_logits.tflite"
    image = rgb(shared / "images" / file)
    with edge.Classifier(model, shared / "labels" / "imagenet_labels.txt", fit="squash", top_k=1001) as twin:
        answer = twin(image).answer
    assert answer[0].index == google(image).answer[0].index
    assert sum(c.score for c in answer) == pytest.approx(1, abs=1e-3)
    assert all(0 <= c.score <= 1 for c in answer)


def test_the_bird_model_names_a_macaw(shared):
    model = shared / "models" / "mobilenet_v2_1.0_224_inat_bird_quant.tflite"
    with edge.Classifier(model, shared / "labels" / "inat_bird_labels.txt") as classify:
        best = classify(rgb(shared / "images" / "parrot.jpg")).answer[0]
    assert "Ara macao" in best.label


@pytest.mark.parametrize("name", ["tf2_mobilenet_v2_1.0_224_ptq", "mobilenet_v2_1.0_224_int8_per_tensor"])
def test_the_other_classifiers_run_and_see_a_cat(shared, name):
    with edge.Classifier(shared / "models" / f"{name}.tflite") as classify:
        answer = classify(rgb(shared / "images" / "cat.bmp")).answer
        background = len(classify.labels) - 1000
    assert background in (0, 1)
    assert answer[0].index - background in range(281, 288)  # the cats, wild and tame
    assert 0 < answer[0].score <= 1


@pytest.mark.parametrize("name", ["ssd_mobilenet_v2_fpnlite_10_256_int8", "deeplabv3_mnv2_dm05_pascal_quant"])
def test_a_model_that_is_no_classifier_is_refused(shared, name):
    with pytest.raises(ModelError, match=rf"{name}\.tflite: no classifier: its output is "):
        edge.Classifier(shared / "models" / f"{name}.tflite")


@pytest.mark.parametrize(
    ("file", "label"), [("cat.bmp", r"\bcat\b"), ("parrot.jpg", "macaw"), ("hot_dog.jpg", r"hot ?dog")]
)
def test_the_default_model_is_right(shared, classifier, file, label):
    best = classifier(rgb(shared / "images" / file)).answer[0]
    assert re.search(label, best.label)
    assert best.score > 0.3


def test_the_default_model_needs_no_shared_data_to_be_seen_to_work(classifier):
    from edge.cameras import sample

    best = {path.name: classifier(rgb(path)).answer[0] for path in sample.photographs()}
    assert sum(c.score > 0.3 for c in best.values()) >= len(best) / 2
    assert len({c.index for c in best.values()}) >= len(best) - 1
