"""The report's page in a real browser: light and dark, on a phone and on a desk."""

import math

import browsers
import made
import pytest
from edge.benchmarks.record import Frames, Settings
from edge.benchmarks.report import html

VIEWS = [(width, scheme) for width in (360, 1280) for scheme in ("light", "dark")]

LONG = "a_model_with_a_very_long_name_" * 8


def throttled():
    samples = [24.0 + n % 7 / 10 + (400.0 if n in (300, 900) else 12.0 if n > 800 else 0.0) for n in range(1500)]
    watch = list(made.moments(sum(samples) / 1e3))
    watch[25:] = made.moments(9, limits=("throttled", "frequency capped", "under-voltage"), clock_mhz=600.0)
    for n, moment in enumerate(watch[25:]):
        watch[25 + n] = type(moment)(**{**{f: getattr(moment, f) for f in moment.__struct_fields__}, "at_s": 25.0 + n})
    return made.result(
        samples=samples,
        watch=watch,
        verdict="invalid",
        warnings=[made.caution(), made.caution(code="x", verdict="invalid", text=LONG, advice=LONG)],
        power=None,
        power_not_measured="no meter is here; put one on the bus, or log with one from outside",
    )


def camera():
    return made.result(
        scenario="camera",
        samples=made.latencies(300, 33.3),
        age_ms=made.summary(made.latencies(300, 48.0)),
        frames=Frames(answered=300, replaced=12, undecodable=1),
        stages_ms={f"stage {n} {'漢W' * n}": made.summary([n * 0.3]) for n in range(12)},
        power=made.power(readings=[(n / 10, 5 + 3 * math.sin(n)) for n in range(900)]),
    )


def streams(number):
    each = [made.stream(fps=min(15.0, 41 / number))] * number
    return made.result(scenario="streams", samples=made.latencies(100, 30.0), streams=each, fps=each[0].fps * number)


def records():
    sweep = [made.result(threads=n, samples=made.latencies(200, 66.0 / n, seed=n)) for n in range(1, 17)]
    few = made.result(
        samples=[5.0], watch=[], yardstick=None, model=LONG, backend=LONG, stages_ms={LONG: made.summary([5.0])}
    )
    odd = made.record(
        complete=False,
        host=made.facts(board=LONG, cpu=None, memory_bytes=None, versions={}),
        profile_text="</pre><script>alert(1)</script>" + LONG,
        settings=Settings(duration_s=None, count=None, source=LONG, command=[LONG] * 3),
        results=[made.bare(model=LONG), few, made.result(samples=[0.0, 0.0, 1e-7, 123456.0])],
    )
    return [
        made.record(results=[throttled()]),
        made.record(results=[*sweep, camera(), *map(streams, (1, 2, 3, 4, 6, 8, 16))]),
        odd,
        made.record(results=[]),
    ]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(html.page(records()), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def browser():
    with browsers.chromium() as running:
        yield running


@pytest.fixture(scope="module", params=VIEWS, ids=lambda view: f"{view[0]} {view[1]}")
def page(request, browser, address):
    """The page with all its results unfolded; `seen` has what it asked for, and what it complained of."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    shown = context.new_page()
    shown.seen = {"requests": [], "complaints": []}
    shown.on("request", lambda asked: shown.seen["requests"].append(asked.url))
    shown.on("console", lambda said: shown.seen["complaints"].append(said.text))
    shown.on("pageerror", lambda error: shown.seen["complaints"].append(str(error)))
    shown.goto(address)
    shown.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    yield shown
    context.close()


def test_it_asks_for_nothing_but_itself_and_complains_of_nothing(page, address):
    asked = {url for url in page.seen["requests"] if not url.startswith("data:")}
    assert (asked, page.seen["complaints"]) == ({address}, [])


def test_its_style_is_applied_and_follows_the_scheme(page):
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(18, 22, 28)" if dark else "rgb(255, 255, 255)")


def test_it_never_scrolls_sideways(page):
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    wide = """[...document.querySelectorAll('main *')].filter(each => !each.closest('.scroll') && !each.closest('svg')
        && each.getBoundingClientRect().right > innerWidth + 0.5).map(each => each.outerHTML.slice(0, 200))"""
    assert page.evaluate(wide) == []


def test_no_two_texts_of_a_plot_touch_and_none_is_cut(page):
    found = """[...document.querySelectorAll('svg')].flatMap(svg => {
        const all = [...svg.querySelectorAll('text')].filter(each => each.textContent)
        const box = each => each.getBoundingClientRect(), out = box(svg), wrong = []
        all.forEach((one, n) => {
            const a = box(one)
            if (a.left < out.left - 1 || a.right > out.right + 1 || a.top < out.top - 1 || a.bottom > out.bottom + 1)
                wrong.push('cut: ' + one.textContent)
            all.slice(n + 1).forEach(other => {
                const b = box(other)
                if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5
                    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3)
                    wrong.push(one.textContent + ' | ' + other.textContent)
            })
        })
        return wrong
    })"""  # boxes of text have air above and below the letters: up to 3 pixels of it may be shared
    assert page.evaluate(found) == []


def test_no_two_parts_of_the_page_overlap(page):
    found = """[...document.querySelectorAll('body, main, section, dl, details, .plots, .pair, figure, ul, dd')]
        .flatMap(parent => {
            const box = each => each.getBoundingClientRect(), wrong = []
            const all = [...parent.children].filter(each => box(each).height > 0)
            all.forEach((one, n) => all.slice(n + 1).forEach(other => {
                const a = box(one), b = box(other)
                if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5
                    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 0.5)
                    wrong.push(one.outerHTML.slice(0, 120) + ' | ' + other.outerHTML.slice(0, 120))
            }))
            return wrong
        })"""
    assert page.evaluate(found) == []


def test_letters_in_plots_can_be_read(page):
    sizes = """[...document.querySelectorAll('svg')].map(svg => parseFloat(getComputedStyle(
        svg.querySelector('text')).fontSize) * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width)"""
    assert 10.5 <= min(page.evaluate(sizes)) <= max(page.evaluate(sizes)) <= 16


def test_every_figure_has_a_drawing_with_something_in_it_or_words(page):
    found = """[...document.querySelectorAll('figure')].filter(figure => {
        const words = figure.querySelector('p.none')
        if (words) return words.textContent.length < 20 || figure.querySelector('svg')
        const drawn = [...figure.querySelectorAll('.line, .dots, .few, .knots, .f0')]
        return !drawn.some(each => each.getBoundingClientRect().width + each.getBoundingClientRect().height > 0
            || each.getTotalLength() >= 0) || figure.querySelectorAll('text').length < 4
    }).map(figure => figure.outerHTML.slice(0, 300))"""
    assert page.evaluate(found) == []
    assert page.evaluate("document.querySelectorAll('figure svg').length") > 100


def test_a_request_to_another_host_would_be_refused(page):
    refused = """new Promise(done => {
        addEventListener('securitypolicyviolation', event => done(event.blockedURI), {once: true})
        document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.1:9/x.png'}))
    })"""
    assert page.evaluate(refused) == "http://127.0.0.1:9/x.png"
