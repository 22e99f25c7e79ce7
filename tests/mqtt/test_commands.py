"""What the house may ask: a clear refusal or a valid state, never an error."""

import pytest
from fuzzed import FUZZED, fuzzed
from hypothesis import given
from hypothesis import strategies as st

from edge.sinks.mqtt.commands import obey
from edge.sinks.mqtt.topics import COMMANDS
from edge.vitals import Controls


@pytest.mark.parametrize("payload", [b"ON", b"on", b" On\n"])
def test_a_camera_is_paused(payload):
    controls = Controls()
    assert obey(controls, "pause", payload) is None
    assert controls.paused
    assert obey(controls, "pause", b"OFF") is None
    assert not controls.paused


@pytest.mark.parametrize("payload", [b"PRESS", b""])
def test_a_picture_is_wanted(payload):
    controls = Controls()
    assert obey(controls, "snapshot", payload) is None
    assert controls.snapshot.is_set()


def test_no_picture_is_taken_where_none_are_kept():
    controls = Controls()
    assert "[snapshots]" in obey(controls, "snapshot", b"PRESS", snapshots=False)
    assert not controls.snapshot.is_set()


@pytest.mark.parametrize("payload", [b"0.65", b".65", b" 0.65 ", b"6.5e-1", b"0.650"])
def test_a_threshold_is_a_number(payload):
    controls = Controls()
    assert obey(controls, "threshold", payload) is None
    assert controls.threshold == 0.65


def test_a_threshold_goes_back_to_what_the_settings_say():
    controls = Controls()
    assert obey(controls, "threshold", b"1") is None
    assert controls.threshold == 1
    assert obey(controls, "threshold", b"default") is None
    assert controls.threshold is None


@pytest.mark.parametrize(
    "payload",
    [b"", b"-0.1", b"1.01", b"nan", b"inf", b"1e3", b"0x1", b"0,5", b"0_5", b"1 0", b"\xd9\xa0", b"1e999", b"none"],
)
def test_what_is_no_threshold_is_refused_and_changes_nothing(payload):
    controls = Controls()
    controls.threshold = 0.5
    assert "not a number from 0 to 1" in obey(controls, "threshold", payload)
    assert controls.threshold == 0.5


@pytest.mark.parametrize(
    ("name", "payload", "words"),
    [
        ("pause", b"maybe", "'maybe' is neither ON nor OFF"),
        ("snapshot", b"now", "'now' is not PRESS"),
        ("reboot", b"", "there is no command 'reboot'; there are pause, snapshot, threshold"),
        ("pause", b"ON" * 40, "80 bytes are too many"),
        ("pause", b"\xff\xfe", "it is not UTF-8"),
        ("pause", b"\x1b[31mON", "'[31mON'".lower()),
    ],
)
def test_a_refusal_says_why_in_one_line(name, payload, words):
    refusal = obey(Controls(), name, payload)
    assert words in refusal
    assert refusal.isprintable()


@given(name=st.text(max_size=80), payload=st.binary(max_size=80))
def test_no_name_of_a_command_is_an_error(name, payload):
    refusal = obey(Controls(), name, payload)
    assert name in COMMANDS or refusal.isprintable()


def test_thousands_of_fuzzed_commands_leave_a_valid_state_or_a_refusal():
    controls = Controls()
    followed = 0
    for name, payload in fuzzed(FUZZED):
        before = (controls.paused, controls.threshold)
        refusal = obey(controls, name, payload)
        followed += refusal is None
        assert refusal is None or (refusal.isprintable() and (controls.paused, controls.threshold) == before)
        assert controls.threshold is None or 0 <= controls.threshold <= 1
        assert controls.paused in (True, False)
    assert FUZZED / 10 < followed < FUZZED * 9 / 10
