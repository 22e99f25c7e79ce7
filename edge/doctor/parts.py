"""What the profile names: models, power meter, and the interpreter that really runs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edge import adapters, meter, models
from edge.doctor.case import Case
from edge.doctor.finding import Finding, bad, good, judged, not_applicable, note
from edge.errors import EdgeError, one_line
from edge.types import PowerMeter


def model_files(case: Case) -> Iterator[Finding]:
    """The model of each interpreter: there, or how it is fetched."""
    wanted: dict[str, list[str]] = {}
    for adapter in case.profile.interpreters:
        wanted.setdefault(adapter.model or case.profile.model or models.DEFAULT, []).append(adapter.kind)
    for name, kinds in wanted.items():
        called = f"{name}, for {', '.join(dict.fromkeys(kinds))}"
        try:
            models.find(name)
        except EdgeError as error:
            yield _missing(called, one_line(error))
        else:
            yield good("model.file", called)


def _missing(called: str, said: str) -> Finding:
    fetch = re.search(r"`(edge (?:models pull|export) [^`]+)`", said)
    if fetch:
        needs = re.search(r"\(needs (`[^`]+`)\)", said)
        first = f"{needs[1].strip('`')} && " if needs else ""
        return bad("model.file", f"{called}: it is not here yet", command=first + fetch[1])
    return bad("model.file", f"{called}: {said}")


def power_meter(case: Case) -> Finding:
    """What edge-bench would measure watts with."""
    name, adapter = "power.meter", case.profile.power
    given = {"root": case.root, "run": case.run}
    try:
        if adapter is None:
            found, reasons = meter.detect(root=case.root, run=case.run)
            if found is None:
                return _without_meter(case, reasons)
        else:
            injected = {key: value for key, value in given.items() if adapters.takes("power", adapter.kind, key)}
            found = adapters.open("power", adapter.kind, **adapter.options, **injected)
    except EdgeError as error:
        seen, _, advice = one_line(error).rpartition("; ")
        return judged(adapter is not None, name, seen or advice, advice=advice if seen else None)
    return good(name, _read(found))


def _without_meter(case: Case, reasons: list[str]) -> Finding:
    """The reason of the meter that boards of this family have; only edge-bench would use one."""
    own = {"jetson": "hwmon", "raspberry-pi": "pmic"}.get(case.facts.family, "rapl")
    why = next(reason for reason in reasons if reason.startswith(own))
    seen, _, advice = why.rpartition("; ")
    if "permission" in why:
        return note("power.meter", f"{seen}; only `edge-bench` needs it", advice=advice)
    return not_applicable("power.meter", f"none, and only `edge-bench` needs one ({seen})")


def _read(found: PowerMeter) -> str:
    try:
        watts = found.read().watts
    finally:
        found.close()
    said = f"{found.name}: {found.covers}"
    return said if watts is None else f"{said}; {watts:.2f} W now"


def interpreter(case: Case) -> Finding:
    """Which interpreter of the profile's order really answered a photograph, and why those before it did not."""
    name, told = "run.interpreter", case.told("engine")
    if told.how == "well":
        said = f"{told.found['backend']} answered a photograph with {told.found['model']}"
        reasons = [reason for key, reason in told.found.items() if key.startswith("instead of ")]
        return note(name, f"{said}; before it: {'; '.join(reasons)}") if reasons else good(name, said)
    if told.how == "failed":
        seen, _, advice = told.said.rpartition("; ")
        return bad(name, seen or advice, advice=advice if seen else None)
    how = "crashes" if told.how == "crashed" else "hangs"
    return bad(name, f"running the model {how} ({told.said})", advice="see the lines above for the library to mend")
