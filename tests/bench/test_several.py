"""Several cameras on one interpreter or on one each: the command, with a scripted interpreter."""

import json

from click.testing import CliRunner
from edge.benchmarks import several

PROFILE = 'name = "p"\n[[interpreter]]\nkind = "scripted"\nscript = ["sleep 0.002", "class 3"]\nsize = 8\n'


def test_each_case_is_run_in_each_round_and_the_ratio_has_an_interval(tmp_path):
    (tmp_path / "p.toml").write_text(PROFILE)
    options = [
        "--profile",
        str(tmp_path / "p.toml"),
        "--rounds",
        "3",
        "--seconds",
        "0.1",
        "--json",
        tmp_path / "all.json",
    ]
    ran = CliRunner().invoke(several.command, [*map(str, options), "--alone"], catch_exceptions=False)
    assert ran.exit_code == 0
    found = json.loads((tmp_path / "all.json").read_text())
    assert [len(each) for each in found] == [3, 3, 3]
    assert all(stretch["fps"] > 0 and 0 <= stretch["least"] <= 1 for each in found for stretch in each)
    assert "| one interpreter in turns |" in ran.output and "one each over one in turns: " in ran.output
    assert "host: " in ran.output


def test_the_memory_of_an_interpreter_in_a_process_of_its_own_is_told(tmp_path):
    (tmp_path / "p.toml").write_text(PROFILE)
    options = ["--profile", str(tmp_path / "p.toml"), "--rounds", "2", "--seconds", "0.1"]
    ran = CliRunner().invoke(several.command, options, catch_exceptions=False)
    rows = [line.split("|") for line in ran.output.splitlines() if line.startswith("| one")]
    assert len(rows) == 3 and all(row[4].strip().endswith(" MB") for row in rows)
