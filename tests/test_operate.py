"""The page that tells what each line of the log means: it has those that the service writes, and no others."""

import ast
import re
from pathlib import Path

import edge

EDGE = Path(edge.__file__).parent
PAGE = Path(__file__).parents[1] / "docs" / "operate.md"

APART = {"mobilenet", "benchmarks", "device_profiles", "evaluate", "doctor", "cli"}
"""What no service runs."""


def lines():
    """What is logged for somebody to read: its text, with … for what differs."""
    for path in EDGE.rglob("*.py"):
        text = path.read_text()
        if path.relative_to(EDGE).parts[0] not in APART and "log." in text:
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in ("log.info", "log.warning", "log.error"):
                    yield re.sub(r"(%[-.\d]*[sdfg])+", "…", ast.literal_eval(node.args[0]))


def test_the_page_tells_every_line_of_the_log_and_no_other():
    table = PAGE.read_text().split("## What each line of the log means")[1]
    told = {line for row in re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE) for line in re.findall("`(.*?)`", row)}
    written = {line for line in lines() if re.search(r"\w", line)}
    assert written <= told, "tell it in docs/operate.md"
    own = {re.match(r"\w+|…", line)[0] for line in told - written}
    assert own <= {
        "mqtt",
        "snapshots",
        "web",
        "token",
        "certificate",
        "metrics",
        "events",
        "memory",
        "settings",
        "…",
    }, "nothing writes this line"


def test_the_metrics_that_the_page_names_are_told_on_theirs():
    named = set(re.findall(r"`(edge_\w+)`", PAGE.read_text()))
    assert named and named <= set(re.findall(r"`(edge_\w+)`", PAGE.with_name("metrics.md").read_text()))
