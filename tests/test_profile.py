import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import trees
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import adapters, boards, profile
from edge.adapters import Adapter
from edge.errors import ConfigError
from edge.models import catalogue

WHOLE = """
name = "mine"
description = "all that can be said"
model = "m.tflite"
labels = "l.txt"
fit = "letterbox"
threads = 2

[camera]
kind = "v4l2"
device = "/dev/video3"
width = 1280

[power]
kind = "hwmon"
rail = "VIN_SYS_5V0"

[[interpreter]]
kind = "litert"
threads = 1

[[interpreter]]
kind = "scripted"
script = ["class 1"]
"""

MADE_BY_EXPORT = {"mobilenet_v2_1.0_224_int8_qdq"}
"""What `edge export` makes and nobody can fetch."""

KINDS = {family: ", ".join(adapters.kinds(family)) for family in ("cameras", "interpreters")}

LEAST = 'name = "mine"\n[[interpreter]]\nkind = "litert"\n'


def parse(text):
    return profile.parse(text.encode(), "mine.toml")


def test_a_profile_says_all_that_a_device_is_made_of():
    loaded = parse(WHOLE)
    assert loaded == profile.DeviceProfile(
        name="mine",
        description="all that can be said",
        interpreters=(Adapter("litert", {"threads": 1}), Adapter("scripted", {"script": ["class 1"]})),
        cameras=(Adapter("v4l2", {"device": "/dev/video3", "width": 1280}),),
        power=Adapter("hwmon", {"rail": "VIN_SYS_5V0"}),
        model="m.tflite",
        labels="l.txt",
        fit="letterbox",
        threads=2,
    )


def test_what_a_profile_does_not_say_is_unknown():
    loaded = parse(LEAST)
    said = (loaded.power, loaded.model, loaded.labels, loaded.fit, loaded.threads)
    assert said == (None,) * 5
    assert loaded.cameras == ()
    assert loaded.interpreters == (Adapter("litert", {}),)


def test_every_shipped_profile_is_good_and_named_as_its_file():
    names = profile.shipped()
    assert profile.DEFAULT in names
    for name in names:
        loaded = profile.load(name)
        assert loaded.name == name
        assert loaded.description


def test_the_default_profile_runs_on_any_processor():
    assert [adapter.kind for adapter in profile.load().interpreters] == ["litert"]


def order(name):
    """What a shipped profile tries, in order: cameras, and interpreters with their options."""
    loaded = profile.load(name)
    return [each.kind for each in loaded.cameras], [each.kind for each in loaded.interpreters]


def test_a_pi_takes_its_own_camera_before_one_on_usb_and_its_processor():
    for name in ("pi3", "pi4", "pi5", "pi-zero-2w"):
        assert order(name) == (["picamera", "v4l2"], ["litert"])


def test_the_boards_of_small_cores_leave_one_to_the_camera():
    threads = {name: profile.load(name).threads for name in profile.shipped()}
    assert {name: count for name, count in threads.items() if count} == {"pi3": 3, "pi-zero-2w": 3}


def test_a_coral_runs_a_model_compiled_for_it_and_the_processor_the_default_one():
    for name, device in {"coral-usb": "usb", "coral-pcie": "pci", "coral-dev-board": None}.items():
        first, second = profile.load(name).interpreters
        assert (first.kind, first.model) == ("edgetpu", "mobilenet_v2_1.0_224_quant_edgetpu")
        assert first.options.get("device") == device
        assert second == Adapter("litert")
        assert catalogue.shipped()[first.model].runs_on == "edgetpu"


def test_an_orin_tries_tensorrt_then_onnx_runtime_on_its_gpu_then_the_processor():
    for name in ("jetson-orin-nano", "jetson-orin-nx", "jetson-agx-orin"):
        first, second, third = profile.load(name).interpreters
        assert [first.kind, second.kind, third] == ["tensorrt", "onnx", Adapter("litert")]
        assert second.options == {"providers": ["tensorrt", "cuda"]}
        assert first.model == second.model == "mobilenet_v2_1.0_224_int8_qdq"


def test_a_jetson_nano_runs_on_its_processor_since_its_gpu_has_no_int8():
    assert order("jetson-nano") == (["v4l2"], ["litert"])


def test_a_board_that_measures_what_it_draws_names_its_meter():
    meters = {name: profile.load(name).power for name in profile.shipped()}
    assert {name: meter.kind for name, meter in meters.items() if meter} == {
        "pi5": "pmic",
        "jetson-nano": "hwmon",
        "jetson-orin-nano": "hwmon",
        "jetson-orin-nx": "hwmon",
    }


@pytest.mark.parametrize("name", sorted(profile.shipped()))
def test_a_model_that_a_shipped_profile_names_can_be_had(name):
    for adapter in profile.load(name).interpreters:
        assert adapter.model is None or adapter.model in {*catalogue.shipped(), *MADE_BY_EXPORT}


def test_a_profile_for_a_board_says_that_it_was_never_run_there():
    for name, path in profile.shipped().items():
        assert name in ("cpu", "pc") or "Never run" in path.read_text(), name


def test_auto_is_the_profile_that_fits_the_machine_and_says_why(tmp_path):
    board = trees.named(tmp_path, "Radxa ROCK 5B")
    loaded = profile.load("auto", board.root)
    assert loaded == msgspec.structs.replace(profile.load("cpu"), because="Radxa ROCK 5B has no profile of its own")
    assert profile.text_of("auto", board.root) == profile.shipped()["cpu"].read_text()


@pytest.mark.parametrize("model", trees.KNOWN)
def test_auto_loads_the_profile_of_every_board_there_is(tmp_path, model):
    loaded = profile.load("auto", trees.named(tmp_path, model).root)
    assert loaded.name == trees.KNOWN[model][0]
    assert model in loaded.because


def test_auto_on_this_machine_is_a_profile_that_ships():
    loaded = profile.load("auto")
    assert (loaded.name, loaded.because) == boards.recognise()


def test_a_profile_that_is_named_has_no_reason():
    assert profile.load("cpu").because is None


def test_a_file_that_is_called_auto_is_taken_by_its_path_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("auto").write_text(LEAST)
    assert profile.load("auto").name == boards.recognise().profile
    assert profile.load("./auto").name == profile.load(tmp_path / "auto").name == "mine"
    assert profile.text_of("./auto") == LEAST


def test_no_shipped_profile_uses_a_fake():
    for name in profile.shipped():
        loaded = profile.load(name)
        chosen = [*loaded.interpreters, *loaded.cameras, loaded.power]
        assert "scripted" not in {adapter.kind for adapter in chosen if adapter}


def test_a_profile_is_loaded_by_path(tmp_path):
    file = tmp_path / "own.toml"
    file.write_text(LEAST)
    assert profile.load(file) == profile.load(str(file)) == parse(LEAST)


@pytest.mark.parametrize("name", ["nano", "/nowhere/x.toml", "", "/tmp"])
def test_an_unknown_profile_is_refused_and_the_shipped_ones_are_named(name):
    with pytest.raises(ConfigError, match=f"profile {name}: no such profile or file; shipped are: .*cpu"):
        profile.load(name)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('name = "mine"', 'nome = "mine"'), ["nome: unknown key", "a profile takes: name, interpreter, description"]),
        (('name = "mine"', ""), ["name: this key is needed"]),
        (('name = "mine"', "name = 3"), ["name: Expected `str`, got `int`"]),
        (("threads = 2", 'threads = "two"'), ["threads: Expected `int", "got `str`"]),
        (("threads = 2", 'jpeg = "gpu"'), ["jpeg: Invalid enum value"]),
        (("threads = 2", "threads = 0"), ["threads: Expected `int` >= 1"]),
        (("threads = 2", "threads = 257"), ["threads: Expected `int` <= 256"]),
        (('"letterbox"', '"stretch"'), ["fit: Invalid enum value 'stretch'"]),
        (("width = 1280", "wdith = 1280"), ["camera.wdith: unknown key", "v4l2 takes: device, width, height"]),
        (("width = 1280", "width = 4"), ["camera.width: Expected `int` >= 16"]),
        (("threads = 1\n", "thread = 1\n"), ["interpreter[0].thread: unknown key", "litert takes: threads"]),
        (("threads = 1\n", "threads = 1.5\n"), ["interpreter[0].threads: Expected `int", "got `float`"]),
        (('["class 1"]', '[1]'), ["interpreter[1].script[0]: Expected `str`, got `int`"]),
        (('kind = "v4l2"', 'kind = "kinect"'), ["camera.kind: there is no 'kinect' among the cameras; known are"]),
        (('rail = ', 'rial = '), ["power.rial: unknown key", "hwmon takes: rail"]),
        (('kind = "hwmon"', 'kind = "shelly"'), ["power.kind: there is no 'shelly' among the power meters"]),
        (('kind = "v4l2"', "kind = 4"), ["camera.kind: a name is needed, one of: " + KINDS["cameras"]]),
        (
            ('kind = "litert"', 'knid = "litert"'),
            ["interpreter[0].kind: a name is needed, one of: " + KINDS["interpreters"]],
        ),
        (('kind = "litert"', 'kind = "no such"'), ["interpreter[0].kind: 'no such' names no kind of interpreters"]),
    ],
)  # fmt: skip
def test_a_wrong_key_is_named_by_its_path(change, words):
    assert change[0] in WHOLE
    with pytest.raises(ConfigError) as caught:
        parse(WHOLE.replace(*change, 1))
    message = str(caught.value)
    assert message.startswith("profile mine.toml: " + words[0].split(": ")[0])
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('name = "x"\n', "interpreter: this key is needed"),
        ('name = "x"\ninterpreter = []\n', "interpreter: Expected `array` of length >= 1"),
        ('name = "x"\ninterpreter = "litert"\n', "interpreter: Expected `array`, got `str`"),
        ('name = "x"\ninterpreter = ["litert"]\n', r"interpreter\[0\]: Expected `object`, got `str`"),
        (LEAST.replace("[[", "[").replace("]]", "]"), "interpreter: Expected `array`, got `object`"),
        ("camera = {}\n" + LEAST, "camera: Expected `object` of length >= 1"),
        ("power = {}\n" + LEAST, "power: Expected `object` of length >= 1"),
        ("name = \n", "not TOML: Invalid value"),
        ("a" * 200, "not TOML"),
        ('name = "x"\nname = "y"\n', "not TOML"),
    ],
)
def test_a_profile_of_another_shape_is_refused(text, words):
    with pytest.raises(ConfigError, match=f"profile mine.toml: {words}"):
        parse(text)


def test_a_profile_that_is_no_text_is_refused():
    with pytest.raises(ConfigError, match="profile x: not TOML"):
        profile.parse(b"\xff\xfe\x00name", "x")


WORDS = ["name", "interpreter", "camera", "power", "kind", "model", "fit", "threads", "script", "device", "x"]
KEYS = st.sampled_from(WORDS)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats() | st.text(max_size=6) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def toml(value):
    """TOML-ish text: near enough to reach the checks, wrong often enough to reach the parser's errors."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return msgspec.json.encode(value.encode("utf-8", "replace").decode()).decode()
    return str(value).lower()


@settings(deadline=None, max_examples=150)
@given(
    tables=st.dictionaries(KEYS, VALUES, max_size=6),
    interpreters=st.lists(
        st.dictionaries(KEYS, VALUES, max_size=3).map(lambda t: {**t, "kind": "litert"}) | VALUES, max_size=2
    ),
)
def test_any_toml_makes_a_profile_or_is_refused_in_words(tables, interpreters):
    tables = {"name": "x", "interpreter": interpreters, **tables}
    text = "".join(f"{key} = {toml(value)}\n" for key, value in tables.items())
    try:
        loaded = parse(text)
    except ConfigError as error:
        assert "profile mine.toml: " in str(error)
    else:
        assert loaded.interpreters


@settings(deadline=None, max_examples=200)
@given(data=st.binary(max_size=60) | st.text(max_size=60).map(lambda t: t.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_refused_in_words(data):
    with pytest.raises(ConfigError, match="profile x: "):
        profile.parse(data, "x")


@settings(deadline=None, max_examples=200)
@given(at=st.integers(0, len(WHOLE) - 1), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_profile_is_a_profile_or_refused_in_words(at, byte, cut):
    data = WHOLE.encode()
    try:
        profile.parse(data[:at] if cut else data[:at] + bytes([byte]) + data[at + 1 :], "x")
    except ConfigError as error:
        assert "profile x: " in str(error)


def test_a_checkout_without_an_installed_package_has_its_profiles_too():
    checkout = Path(__file__).parents[1]
    code = "import edge.profile; print(edge.__file__, edge.profile.load().name)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=checkout, check=False
    )
    assert done.stdout.split() == [str(checkout / "edge" / "__init__.py"), "cpu"], done.stderr


def test_toml_as_deep_as_can_be_is_refused_in_words():
    with pytest.raises(ConfigError, match="not TOML"):
        profile.parse(b"a = " + b"[" * 100_000, "deep.toml")
