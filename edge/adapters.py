"""Find, check and open an adapter by family and kind: the only dynamic import of the toolkit.

A family is a folder (`cameras`, `interpreters`, `power`), a kind is a file in it: the name is the registration. The
keyword-only parameters of the file's `open` are the options a user may give, with their types; a dotted kind
(`acme.npu`) is a module from outside.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from itertools import chain
from types import ModuleType
from typing import Any, get_type_hints

import msgspec

from edge.errors import AdapterError, ConfigError, key_and_reason, one_line

FAMILIES = ("cameras", "interpreters", "power")

CALLED = {"power": "power meters"}
"""What a family is called in words, where its folder's name will not do."""

INJECTED = {"clock", "sleep", "root", "run", "covers", "told", "inbox"}
"""Parameters of `open` that a test or the loop gives, and no user."""


class Adapter(msgspec.Struct, frozen=True):
    """An adapter that was chosen, and the options that it is to be opened with.

    model, labels: of an interpreter, the ones that the profile wants on it; None: those of the profile.
    """

    kind: str
    options: dict[str, Any] = {}
    model: str | None = None
    labels: str | None = None


def kinds(family: str) -> list[str]:
    """The kinds that ship in a family, sorted."""
    package = importlib.import_module(f"edge.{family}")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def find(family: str, kind: str) -> ModuleType:
    """The module of an adapter. Raises ConfigError for a kind that does not exist, and names those that do."""
    name = kind if "." in kind else f"edge.{family}.{kind}"
    known = f"known are {', '.join(kinds(family))}, or the dotted name of a module of yours"
    called = CALLED.get(family, family)
    if not re.fullmatch(r"\w+(\.\w+)*", kind):
        raise ConfigError(f"{kind!r} names no kind of {called}; {known}")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise AdapterError(f"{name} needs the module {error.name}; install it") from error
        raise ConfigError(f"there is no {kind!r} among the {called}; {known}") from error
    if not callable(getattr(module, "open", None)):
        raise ConfigError(f"{name} has no function 'open', so it is none of the {called}; {known}")
    return module


def check(family: str, kind: str, options: dict[str, Any], where: str) -> dict[str, Any]:
    """The options as `open` will get them; nothing is opened. Raises ConfigError, which names the key after `where`."""
    parameters = inspect.signature(find(family, kind).open).parameters
    hints = get_type_hints(find(family, kind).open, include_extras=True)
    fields: list[Any] = [
        (name, hints.get(name, Any)) if p.default is p.empty else (name, hints.get(name, Any), p.default)
        for name, p in parameters.items()
        if p.kind is p.KEYWORD_ONLY and name not in INJECTED
    ]
    schema = msgspec.defstruct("Options", fields, forbid_unknown_fields=True, kw_only=True)
    try:
        checked = msgspec.convert(options, schema)
    except msgspec.ValidationError as error:
        key, reason = key_and_reason(error)
        if "regex" in reason:  # which tells a user nothing
            told = (meta.examples or () for meta in getattr(hints[key], "__metadata__", ()))
            reason = f"{options[key]!r} is none; give one like {', '.join(map(repr, chain(*told)))}"
        known = ", ".join(name for name, *_ in fields) or "no option"
        raise ConfigError(f"{where}{key}: {reason}; {kind} takes: {known}") from error
    return {name: getattr(checked, name) for name in options}


def takes(family: str, kind: str, option: str) -> bool:
    """Whether an adapter has an option of that name."""
    return option in inspect.signature(find(family, kind).open).parameters


def open(family: str, kind: str, *args: Any, **options: Any) -> Any:
    """Open an adapter. Raises AdapterError, with the line that installs it, where its library is missing."""
    module = find(family, kind)
    try:
        return module.open(*args, **options)
    except ImportError as error:
        if isinstance(error, AdapterError):
            raise
        raise AdapterError(f"{kind} cannot run here: {one_line(error)}; {module.INSTALL}") from error
