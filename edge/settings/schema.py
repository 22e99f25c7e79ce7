"""The JSON schema of a camera's file, for editors; and advice that is drawn from it."""

from __future__ import annotations

import difflib
import re
from typing import Any

import msgspec

from edge.settings.keys import Settings

DRAFT = "https://json-schema.org/draft/2020-12/schema"

TYPES = {
    "str": "text in quotes",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "datetime": "a time",
    "date": "a date",
    "time": "a time of day",
}
"""What TOML's users call them."""


def schema() -> dict[str, Any]:
    """The schema, as JSON: TOML knows no null, so what may be left out has none."""
    whole = msgspec.json.schema(Settings)
    tables = {name: _table(table) for name, table in whole["$defs"].items()}
    top = tables.pop("Settings")
    return {"$schema": DRAFT, **top, "title": "A camera of edgekit", "$defs": tables}


def _table(table: dict[str, Any]) -> dict[str, Any]:
    properties = {key: _key(value) for key, value in table["properties"].items()}
    words = table["description"].split("\n\n")[0]
    return {**table, "description": " ".join(words.split()), "properties": properties}


def _key(value: dict[str, Any]) -> dict[str, Any]:
    kinds = [kind for kind in value.get("anyOf", []) if kind != {"type": "null"}]
    kept = {
        key: each for key, each in value.items() if key != "anyOf" and not (key == "default" and each in (None, ""))
    }
    if kinds and "examples" not in value:
        kept = {**kinds[0], **kept}
    if "enum" in kept:
        kept["enum"] = [each for each in kept["enum"] if each is not None]
    return kept


def properties(table: str) -> dict[str, Any]:
    """The keys of a table, or of the file for "", and what the schema says of each."""
    whole = schema()
    if not table:
        found: dict[str, Any] = whole["properties"]
        return found
    name = whole["properties"][table]["$ref"].rpartition("/")[2]
    keys: dict[str, Any] = whole["$defs"][name]["properties"]
    return keys


def advice(table: str, key: str, reason: str) -> str:
    """Why a key is wrong, in the words of its users, and what to do."""
    known = properties(table)
    if reason == "unknown key":
        return f"unknown key; {_instead(table, key, list(known))}"
    said = known.get(key, {})
    said = {**said, **said.get("items", {})}
    if "regex" in reason and "examples" in said:
        return f"does not fit; give one like {', '.join(map(_quoted, said['examples']))}"
    if reason.startswith("Invalid enum value") and "enum" in said:
        return f"{reason[0].lower()}{reason[1:]}; give one of {', '.join(map(_quoted, said['enum']))}"
    plain = re.sub(r"`([^`]*)`", lambda found: _kinds(found[1]), reason)
    return plain[:1].lower() + plain[1:]


def _instead(table: str, key: str, known: list[str]) -> str:
    if "password" in key and key != "password_file":
        return "a secret has no place in this file: put it into one of mode 0600, and name that as mqtt.password_file"
    near = difflib.get_close_matches(key, known, 1)
    if near:
        return f"do you mean {near[0]}?"
    homes = [
        each
        for each in ("rules", "events", "recovery", "mqtt", "web", "snapshots", "metrics")
        if key in properties(each)
    ]
    if homes and not table:
        return f"it belongs below [{homes[0]}]"
    return f"{f'[{table}]' if table else 'the file'} takes: {', '.join(known)}"


def _kinds(found: str) -> str:
    kinds = [TYPES.get(kind, kind) for kind in found.split(" | ") if kind != "null"]
    return " or ".join(kinds)


def _quoted(text: str) -> str:
    return f'"{text}"'
