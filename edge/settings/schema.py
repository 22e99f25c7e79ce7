"""The JSON schema of a camera's file, for editors; and advice that is drawn from it."""

from __future__ import annotations

import difflib
import re
from functools import cache
from typing import Any

import msgspec

from edge.settings.keys import TABLES, Settings

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


@cache
def schema() -> dict[str, Any]:
    """The schema, as JSON; nobody may change it. TOML knows no null, so what may be left out has none."""
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
    kept = {key: each for key, each in value.items() if key != "anyOf"}
    if "$ref" in kept or kept.get("default", 0) in (None, ""):
        kept.pop("default", None)
    if kinds and "examples" not in value:
        kept = {**kinds[0], **kept}
    if "enum" in kept:
        kept["enum"] = [each for each in kept["enum"] if each is not None]
    return kept


def properties(table: str) -> dict[str, Any]:
    """The keys of a table, or of the file for "", and what the schema says of each."""
    whole = schema()
    found: dict[str, Any] = (whole["$defs"][TABLES[table].__name__] if table else whole)["properties"]
    return found


def advice(table: str, key: str, reason: str) -> str:
    """Why a key is wrong, in the words of its users, and what to do."""
    known = properties(table)
    if reason == "unknown key":
        return f"unknown key; {_instead(table, key, list(known))}"
    said = known.get(key, {})
    said = {**said, **said.get("items", {})}
    if "regex" in reason and "examples" in said:
        return f"does not fit; give one like {', '.join(map(quoted, said['examples']))}"
    if reason.startswith("Invalid enum value") and "enum" in said:
        return f"{reason[0].lower()}{reason[1:]}; give one of {', '.join(map(quoted, said['enum']))}"
    plain = re.sub(r"`([^`]*)`", lambda found: _kinds(found[1]), reason)
    return plain[:1].lower() + plain[1:]


def _instead(table: str, key: str, known: list[str]) -> str:
    top = properties("")
    home = next((each for each in TABLES if key in properties(each)), None)
    near = difflib.get_close_matches(key, known, 1)
    if table and key in top:
        return f"it belongs above the first [table], not below [{table}]"
    if "password" in key and not key.endswith("_file"):
        secret = "mqtt.password_file" if table else "source_password_file"
        return f"a secret has no place in this file: put it into one of mode 0600, and name that as {secret}"
    if near:
        return f"do you mean {near[0]}?"
    if home:
        return f"it belongs below [{home}]"
    return f"{f'[{table}]' if table else 'the file'} takes: {', '.join(known)}"


def _kinds(found: str) -> str:
    kinds = [TYPES.get(kind, kind) for kind in found.split(" | ") if kind != "null"]
    return " or ".join(kinds)


def quoted(text: str) -> str:
    """Text as it stands in TOML, where nothing in it must be escaped."""
    return f'"{text}"'
