import sys

import pytest

from edge import adapters
from edge.errors import AdapterError, ConfigError

MODULE = """
import time
from typing import Annotated, Any
import msgspec

INSTALL = "install it with `pip install acme-runtime`"


def open(*, size: Annotated[int, msgspec.Meta(ge=1)], name: str = "x", clock: Any = time.monotonic_ns) -> tuple:
    return size, name
"""


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """Writes a module that is not part of the toolkit; its dotted name is given back."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(name, text):
        package = tmp_path / name
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "npu.py").write_text(text)
        return f"{name}.npu"

    yield write
    for name in [name for name in sys.modules if name.startswith("outside")]:
        del sys.modules[name]


def test_the_families_hold_the_kinds_that_the_design_names():
    assert {"browser", "images", "sample", "scripted", "stream", "v4l2"} <= set(adapters.kinds("cameras"))
    assert {"litert", "scripted"} <= set(adapters.kinds("interpreters"))
    assert {"hwmon", "pmic", "rapl", "scripted"} <= set(adapters.kinds("power"))
    for family in adapters.FAMILIES:
        assert adapters.kinds(family) == sorted(adapters.kinds(family))


def test_a_kind_is_found_by_its_name():
    assert adapters.find("cameras", "scripted").__name__ == "edge.cameras.scripted"


def test_a_kind_that_does_not_exist_is_refused_and_the_known_ones_are_named():
    with pytest.raises(
        ConfigError, match="no 'kinect' among the cameras; known are browser, images, picamera, sample, "
    ):
        adapters.find("cameras", "kinect")


@pytest.mark.parametrize("kind", ["", ".", "..", "a b", "../images", "os.", ".os", "a-b", "x\n", "é!"])
def test_a_name_that_can_be_no_module_is_refused(kind):
    with pytest.raises(ConfigError):
        adapters.find("cameras", kind)


def test_a_dotted_kind_is_a_module_from_outside(outside):
    kind = outside("outside1", MODULE)
    assert adapters.find("interpreters", kind).__name__ == kind
    assert adapters.check("interpreters", kind, {"size": 3}, "") == {"size": 3}
    assert adapters.open("interpreters", kind, size=3) == (3, "x")


@pytest.mark.parametrize("kind", ["outside9.npu", "edge.nothing", "json.nothing"])
def test_a_dotted_kind_that_does_not_exist_is_refused(kind):
    with pytest.raises(ConfigError, match=f"there is no '{kind}' among the interpreters"):
        adapters.find("interpreters", kind)


def test_a_module_without_open_is_none_of_the_family():
    with pytest.raises(ConfigError, match=r"json.decoder has no function 'open'"):
        adapters.find("cameras", "json.decoder")


def test_a_module_that_itself_lacks_a_module_is_told_apart_from_one_that_is_not_there(outside):
    kind = outside("outside2", "import not_installed_here\n" + MODULE)
    with pytest.raises(AdapterError, match=r"outside2\.npu needs the module not_installed_here; install it"):
        adapters.find("interpreters", kind)


def test_a_library_that_is_missing_when_it_is_opened_is_told_with_the_line_that_installs_it(outside):
    text = MODULE.replace("    return size, name", "    import not_installed_here")
    kind = outside("outside3", text)
    with pytest.raises(
        AdapterError, match="cannot run here: No module named 'not_installed_here'; install it with `pip"
    ):
        adapters.open("interpreters", kind, size=3)


def test_an_adapter_error_of_the_adapter_itself_is_passed_on(outside):
    text = MODULE.replace(
        "    return size, name", "    from edge.errors import AdapterError; raise AdapterError('own')"
    )
    kind = outside("outside4", text)
    with pytest.raises(AdapterError, match=r"^own$"):
        adapters.open("interpreters", kind, size=3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sise": 3}, "sise: unknown key; "),
        ({}, "size: this key is needed; "),
        ({"size": "three"}, "size: Expected `int`, got `str`; "),
        ({"size": 0}, "size: Expected `int` >= 1; "),
        ({"size": 1, "name": 4}, "name: Expected `str`, got `int`; "),
        ({"size": 1, "clock": 4}, "clock: unknown key; "),
    ],
)
def test_options_are_checked_by_the_signature_of_open_before_anything_opens(outside, options, words):
    text = MODULE.replace("    return size, name", "    raise SystemError('opened')")
    kind = outside("outside5", text)
    with pytest.raises(ConfigError) as caught:
        adapters.check("interpreters", kind, options, "interpreter[0].")
    assert str(caught.value) == f"interpreter[0].{words}{kind} takes: size, name"


def test_defaults_are_left_to_open():
    assert adapters.check("cameras", "stream", {"url": "x"}, "") == {"url": "x"}


def test_an_adapter_without_options_says_so(outside):
    kind = outside("outside6", "INSTALL = ''\ndef open(): ...\n")
    with pytest.raises(ConfigError, match="takes: no option"):
        adapters.check("cameras", kind, {"x": 1}, "")


def test_it_can_be_asked_whether_an_adapter_has_an_option():
    assert adapters.takes("interpreters", "litert", "threads")
    assert not adapters.takes("interpreters", "litert", "device")
