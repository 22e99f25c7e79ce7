import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import profile
from edge.adapters import Adapter
from edge.errors import ConfigError

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
        (('kind = "v4l2"', "kind = 4"), ["camera.kind: a name is needed, one of: images, sample"]),
        (
            ('kind = "litert"', 'knid = "litert"'),
            ["interpreter[0].kind: a name is needed, one of: litert, onnx, scripted"],
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


@settings(deadline=None, max_examples=300)
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
