"""The page that tells the threats: each of its rows names tests, and each of these exists."""

import ast
import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
TABLE = (CHECKOUT / "docs" / "security.md").read_text().split("## Threats")[1].split("\n## ")[0]
ROWS = [line.strip("| ").split(" | ") for line in TABLE.splitlines() if line.startswith("|")][2:]


def those_of(file):
    tree = ast.parse((CHECKOUT / file).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_threat_has_tests_that_exist(row):
    threat, done, shown = row
    assert threat and done
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", shown)
    assert named and shown == ", ".join(f"`{file}::{name}`" for file, name in named)
    assert not [(file, name) for file, name in named if name not in those_of(file)], "name the test that shows it"


def test_no_threat_is_told_twice():
    assert len(ROWS) > 20 and len({threat for threat, _, _ in ROWS}) == len(ROWS)
