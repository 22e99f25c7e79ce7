"""`edge doctor`: how it is shown."""

import io
import json
import sys

import pytest
from rich.console import Console

from edge.cli import execute
from edge.cli.doctor import show
from edge.doctor.finding import Finding, Report


def shown(report, width, **settings):
    out = io.StringIO()
    show(report, Console(file=out, width=width, highlight=False, **settings))
    return out.getvalue()


def a_report(**more):
    long = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor && echo and more of it"
    words = "the clock follows the load, so that frames after a rest take longer, and figures vary very much"
    findings = [
        Finding(check="board.governor", state="note", seen=words, advice="for measurements:", command=long),
        Finding(check="coral.device", state="n/a", seen="none"),
        Finding(check="run.camera", state="bad", seen="gone"),
    ]
    told = {"profile": "pi4", "because": "Raspberry Pi 4", "board": "Raspberry Pi 4", "can_run": False}
    return Report(**{**told, "backend": None, "verdict": "profile pi4 cannot run: gone", "findings": findings, **more})


@pytest.mark.parametrize("width", [40, 80, 120])
def test_words_wrap_beside_the_table_and_commands_stay_whole(width):
    lines = shown(a_report(), width).splitlines()
    command = [line for line in lines if line.startswith("      $ ")]
    assert len(command) == 1 and command[0].endswith("and more of it")
    assert all(len(line) <= max(width, 52) and line == line.rstrip() for line in lines if line not in command)
    assert lines[0].startswith("note  board.governor  the clock follows")
    assert lines[1].startswith(" " * 22)
    assert lines[-2:] == ["profile pi4 (Raspberry Pi 4)", "profile pi4 cannot run: gone"]


def test_states_are_told_by_word_and_by_colour():
    plain, coloured = shown(a_report(), 80), shown(a_report(because=None), 80, force_terminal=True)
    assert [line[:4] for line in plain.splitlines() if "." in line[:20]] == ["note", "n/a ", "bad "]
    assert "\x1b[33mnote" in coloured and "\x1b[1;31mbad" in coloured
    assert "profile pi4 (" not in coloured


def test_the_command_examines_this_machine_and_can_run_here(cli):
    ran = cli("doctor", "--profile", "cpu", "--json")
    assert ran.code == 0, ran.out
    report = json.loads(ran.out)
    assert (report["can_run"], report["backend"], report["verdict"]) == (
        True,
        "litert-cpu",
        "profile cpu can run: litert-cpu",
    )
    assert set(report) == {"profile", "because", "board", "can_run", "backend", "verdict", "findings"}
    assert {frozenset(finding) for finding in report["findings"]} == {
        frozenset({"check", "state", "seen", "advice", "command"})
    }


def test_a_profile_that_cannot_run_here_exits_with_1_and_the_reason_last(cli, profile_file):
    profile = profile_file(extra='[camera]\nkind = "v4l2"\ndevice = "/dev/video77"')
    ran = cli("doctor", "--profile", profile)
    assert ran.code == 1
    assert "good  run.interpreter" in ran.out
    assert "no camera of the profile gives a frame: v4l2: " in " ".join(ran.out.split())
    assert ran.out.splitlines()[-1] == "profile p cannot run: see run.camera"


def test_a_profile_that_is_none_exits_with_2(cli):
    ran = cli("doctor", "--profile", "nowhere.toml")
    assert ran.code == 2 and "no such profile or file" in ran.err and ran.out == ""


def test_where_standard_output_is_closed_it_is_said_before_anything_is_tried(capfd, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert execute(["doctor", "--json"], False) == 2
    assert capfd.readouterr().err.startswith("edge: standard output is closed")
