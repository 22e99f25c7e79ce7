"""The page: one file with all of several records, that asks no other host for anything."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence

from ..record import Caution, Record, Result
from . import plots, sweeps
from .about import asked, host, machine, tally, worst
from .columns import table as cells
from .style import CSS
from .svg import escaped
from .words import Row, absent, counted, no_stages, title, told

OPEN = 8
"""Results that a page shows unfolded; where there are more, those that are valid are folded."""


def page(records: Sequence[Record]) -> str:
    """All records as one HTML page (UTF-8) with style and drawings inside, without a script."""
    results = sum(len(record.results) for record in records)
    many = results > OPEN
    body = [
        f"<header><h1>edge-bench</h1><p class=soft>{counted(len(records), 'record')}, {counted(results, 'result')}: "
        f"{escaped(tally([result for record in records for result in record.results]))}</p></header><main>",
        table(records),
        *(about(number, record, many) for number, record in enumerate(records)),
        "</main><footer>Latencies are milliseconds; intervals are at 99 % confidence. A percentile is there only where "
        "the samples bear it.</footer>",
    ]
    return f"{head()}<body>{''.join(body)}</body></html>\n"


def head() -> str:
    """What forbids the page every request, and how it looks."""
    style = base64.b64encode(hashlib.sha256(CSS.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; form-action 'none'"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer"><link rel="icon" href="data:,">'
        f"<title>edge-bench</title><style>{CSS}</style></head>"
    )


def table(records: Sequence[Record]) -> str:
    """All results of all records, each with a link to where more is said of it."""
    if not any(record.results for record in records):
        return "<p>No result: nothing was measured.</p>"
    names = [place(n, m) for n, record in enumerate(records) for m in range(len(record.results))]
    heads, rows = cells(records)
    lines = (line(name, heads, row) for name, row in zip(names, rows, strict=True))
    inside = f"<thead><tr>{''.join(f'<th scope=col>{escaped(head)}</th>' for head in heads)}</tr></thead>"
    return f"<div class=scroll tabindex=0><table>{inside}<tbody>{''.join(lines)}</tbody></table></div>"


def line(name: str, heads: Sequence[str], row: Sequence[str]) -> str:
    """One result in the table."""
    shown = dict(zip(heads, (escaped(cell).replace("_", "_<wbr>") for cell in row), strict=True))
    shown["scenario"] = f'<a href="#{name}">{shown["scenario"]}</a>'
    shown["verdict"] = pill(shown["verdict"])
    return "<tr>" + "".join(f"<td{wraps(column)}>{cell}</td>" for column, cell in shown.items()) + "</tr>"


def wraps(column: str) -> str:
    """The class of a column: words may be broken anywhere, and an interval needs room."""
    if column.startswith("median"):
        return " class=span"
    return " class=words" if column in {"host", "model", "backend"} else ""


def place(record: int, result: int) -> str:
    """The name of a result within the page."""
    return f"r{record + 1}-{result + 1}"


def pill(verdict: str) -> str:
    """A verdict; its word is in the sign."""
    return f'<span class="verdict {escaped(verdict)}">{escaped(verdict)}</span>'


def about(number: int, record: Record, many: bool) -> str:
    """One record: the machine, what was asked, the verdict, and its results."""
    verdict = worst(record.results)
    sign = f" {pill(verdict)}" if verdict else ""
    parts = [
        f"<section><h2>{escaped(host(record.host))}{sign}</h2>",
        f"<p class=soft>{escaped(tally(record.results))}</p>" if len(record.results) > 1 else "",
        common(number, record) if len(record.results) > 1 else "",
        f"<div class=pair>{listed(machine(record.host))}{listed(asked(record))}</div>",
        f"<details class=text><summary>profile text</summary><pre>{escaped_lines(record.profile_text)}</pre></details>",
        scaling(record),
        *(one(place(number, m), result, many) for m, result in enumerate(record.results)),
        "</section>",
    ]
    return "".join(parts)


def escaped_lines(words: str) -> str:
    """Text that keeps its lines."""
    return "\n".join(map(escaped, words.splitlines()))


def common(number: int, record: Record) -> str:
    """The warnings of all results of a record, each kind once, and which results have it."""
    found: dict[str, list[tuple[int, Caution]]] = {}
    for m, result in enumerate(record.results):
        for each in result.warnings:
            found.setdefault(each.code, []).append((m, each))
    return cautions((each[0][1], links(number, record, sorted({m for m, _ in each}))) for each in found.values())


def links(number: int, record: Record, results: Sequence[int]) -> str:
    """To the results that share a warning."""
    if len(results) == len(record.results):
        return "all results"
    named = (f'<a href="#{place(number, m)}">{escaped(short(record.results[m]))}</a>' for m in results[:6])
    more = f" and {len(results) - 6} more" if len(results) > 6 else ""
    return ", ".join(named) + more


def short(result: Result) -> str:
    """A result by scenario, threads and streams."""
    parts = [result.scenario]
    parts += [counted(result.threads, "thread")] if result.threads is not None else []
    parts += [counted(len(result.streams), "stream")] if result.streams else []
    return ", ".join(parts)


def cautions(found: Iterable[tuple[Caution, str]]) -> str:
    """Warnings with what was seen and what to do; the second of each is markup that says where."""
    items = "".join(
        f'<li class="{each.verdict}">{escaped(each.text)}{f" ({where})" if where else ""}'
        f"<span class=advice>{escaped(each.advice)}</span></li>"
        for each, where in found
    )
    return f"<ul class=cautions>{items}</ul>" if items else ""


def listed(found: Iterable[Row]) -> str:
    """Names and lines side by side."""
    return f"<dl>{''.join(f'<dt>{escaped(row.name)}</dt><dd>{spans(row)}</dd>' for row in found)}</dl>"


def spans(row: Row) -> str:
    """Each line of a row; what was not measured is grey."""
    return "".join(f"<span{' class=none' if dull(words) else ''}>{apart(words)}</span>" for words in row.lines)


def apart(words: str) -> str:
    """Figures that stand in one line, and are not broken in two."""
    each = [escaped(part) for part in words.split("   ")]
    return each[0] if len(each) == 1 else "".join(f"<b>{part}</b>" for part in each)


def dull(words: str) -> bool:
    """Whether a line says only that there is nothing."""
    return words.startswith(("not measured", "too few samples"))


def one(name: str, result: Result, many: bool) -> str:
    """One result: verdict, warnings, plots, and all figures in words."""
    unfolded = "" if many and result.verdict == "valid" else " open"
    said = cautions((each, "") for each in result.warnings)
    drawn = "".join(pictures(result))
    summary = f"<summary>{escaped(title(result))} {pill(result.verdict)}</summary>"
    inside = f"{summary}{said}<div class=plots>{drawn}</div>{listed(told(result))}"
    return f'<details class=result id="{name}"{unfolded}>{inside}</details>'


def pictures(result: Result) -> Iterator[str]:
    """The plots of a result, or in words why one is not there."""
    nothing = absent(result.error or "no sample was taken")
    tall = " class=tall" if result.watch or result.yardstick else ""
    yield figure("Latency over time", plots.latency(result), nothing, tall)
    yield figure("Distribution", plots.distribution(result.latency_ms, "latency"), nothing)
    if result.age_ms:
        yield figure("Age of the frame", plots.distribution(result.age_ms, "age"), nothing)
    yield figure("Stages", plots.stages(result), absent(no_stages(result)))
    few = "the meter gave too few readings to draw" if result.power else result.power_not_measured
    yield figure("Power over time", plots.watts(result), absent(few))


def figure(name: str, drawn: str | None, otherwise: str, kind: str = "") -> str:
    """A plot with its name; `otherwise` stands in its place where there is none."""
    inside = drawn or f"<p class=none>{escaped(otherwise)}</p>"
    return f"<figure{kind if drawn else ''}><figcaption>{escaped(name)}</figcaption>{inside}</figure>"


def scaling(record: Record) -> str:
    """FPS over streams and threads, where the record has more than one number of them."""
    drawn = [(name, plot) for name, plot in sweeps.scaling(record.results) if plot]
    if not drawn:
        return "<p class=none>Scaling not measured: no two results differ only in threads or streams.</p>"
    inside = "".join(figure(name, plot, "") for name, plot in drawn)
    return f"<h3>Scaling</h3><div class=plots>{inside}</div>"
