"""What a check found, and what all of them came to."""

from __future__ import annotations

from typing import Literal

import msgspec

from edge.errors import one_line

State = Literal["good", "note", "bad", "n/a"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table.

    check: what was looked at, "topic.thing"; these names stay the same from version to version. state: "bad" is what
    keeps something from working that the profile asks for, "note" what makes it slower or may surprise, "n/a" what
    means nothing on this machine or for this profile. seen: one line of words. advice: what to do, in words.
    command: what to type to mend it, on this board.
    """

    check: str
    state: State
    seen: str
    advice: str | None = None
    command: str | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole examination.

    because: why `auto` chose the profile. backend: what really ran, None where nothing did. verdict: the last line.
    """

    profile: str
    because: str | None
    board: str | None
    can_run: bool
    backend: str | None
    verdict: str
    findings: list[Finding]


def good(check: str, seen: str) -> Finding:
    """As it should be."""
    return _finding(check, "good", seen)


def note(check: str, seen: str, *, advice: str | None = None, command: str | None = None) -> Finding:
    """Worth knowing; it runs all the same."""
    return _finding(check, "note", seen, advice, command)


def bad(check: str, seen: str, *, advice: str | None = None, command: str | None = None) -> Finding:
    """Something that the profile asks for does not work."""
    return _finding(check, "bad", seen, advice, command)


def not_applicable(check: str, seen: str) -> Finding:
    """It means nothing here."""
    return _finding(check, "n/a", seen)


def judged(asked: bool, check: str, seen: str, *, advice: str | None = None, command: str | None = None) -> Finding:
    """Bad where the profile asks for the thing, else a note."""
    return (bad if asked else note)(check, seen, advice=advice, command=command)


def _finding(check: str, state: State, seen: str, advice: str | None = None, command: str | None = None) -> Finding:
    """In one line each, without what a terminal would obey: names in profiles and of devices are anybody's."""
    return Finding(
        check=check,
        state=state,
        seen=one_line(seen),
        advice=advice and one_line(advice),
        command=command and one_line(command),
    )
