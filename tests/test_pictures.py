"""The drawings of the documentation are those of today's network."""

import importlib.util
from pathlib import Path
from xml.etree import ElementTree

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def drawings():
    spec = importlib.util.spec_from_file_location("drawings", DOCS / "drawings.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("name", "draw"), [("block", "blocks"), ("network", "network")])
def test_a_drawing_in_the_documentation_is_the_one_that_the_script_makes(drawings, name, draw):
    made = (DOCS / f"{name}.svg").read_text()
    assert made == getattr(drawings, draw)(), "make them again with `python docs/pictures.py`"
    assert ElementTree.fromstring(made).tag.endswith("svg")
