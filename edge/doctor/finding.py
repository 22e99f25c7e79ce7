"""What a check found, and what all of them came to."""

from __future__ import annotations

from typing import Literal

import msgspec

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
    return Finding(check=check, state="good", seen=seen)


def note(check: str, seen: str, *, advice: str | None = None, command: str | None = None) -> Finding:
    """Worth knowing; it runs all the same."""
    return Finding(check=check, state="note", seen=seen, advice=advice, command=command)


def bad(check: str, seen: str, *, advice: str | None = None, command: str | None = None) -> Finding:
    """Something that the profile asks for does not work."""
    return Finding(check=check, state="bad", seen=seen, advice=advice, command=command)


def not_applicable(check: str, seen: str) -> Finding:
    """It means nothing here."""
    return Finding(check=check, state="n/a", seen=seen)


def judged(asked: bool, check: str, seen: str, *, advice: str | None = None, command: str | None = None) -> Finding:
    """Bad where the profile asks for the thing, else a note."""
    return (bad if asked else note)(check, seen, advice=advice, command=command)
