import json
import re
import select
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from contextlib import closing, suppress
from datetime import datetime, timezone
from pathlib import Path
from socket import create_connection

import pytest
import shots

from edge import settings
from edge.listening import listening
from edge.recovery import RUNGS
from edge.sinks.metrics import AT_ONCE, Metrics, Server, exposed, registry_of
from edge.types import Event
from edge.vitals import BOUNDS_S, Vitals

GUARD_S = 60.0
ROOT = Path(__file__).parents[1]
AT = datetime(2026, 11, 23, 14, 5, 9, tzinfo=timezone.utc)


def full():
    """Of a camera to which all has happened."""
    vitals = Vitals('front "door"\\n')
    began = time.monotonic() - 1
    for index in range(3):
        vitals.seen(*shots.shot(index, began + index / 10, instead_of=("edgetpu: no device",)))
    vitals.condition = "recovering"
    for cause in ("frames", "spool", "frames"):
        vitals.lost(cause)
    vitals.happened(Event(id="0" * 32, kind="appeared", label="tabby", score=0.5, at=AT, frame=1))
    vitals.score = 0.7
    vitals.restarts = {"watchdog": 2}
    vitals.problem("mqtt", "the broker is away")
    vitals.ladder.climb("camera", "again")
    vitals.temperature_c, vitals.watts, vitals.limits, vitals.rate_limit = 61.5, 4.2, ("throttled",), 10.0
    vitals.spool, vitals.reloads, vitals.refused = 7, 2, 1
    return vitals


def told(vitals, accept=""):
    """Each sample by its name and labels (camera left out): a number."""
    return _samples(exposed(registry_of([vitals]), accept)[0].decode())


def _samples(text):
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
            pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or "")
            found[(name, *(value for label, value in pairs if label != "camera"))] = float(value)
    return found


def families(vitals):
    """The names of all metrics, as queries use them."""
    return {name for name, *_ in told(vitals)}


# --- what is told


def test_all_that_vitals_know_is_told():
    found = told(full())
    assert found[("edge_frames_total",)] == 3
    assert found[("edge_dropped_total", "frames")] == 2 and found[("edge_dropped_total", "pictures")] == 0
    assert found[("edge_condition", "recovering")] == 1 and found[("edge_condition", "running")] == 0
    assert found[("edge_problem", "mqtt")] == 1
    assert found[("edge_restarts_total", "watchdog")] == 2
    assert found[("edge_recoveries_total", "camera")] == 1
    assert [found[("edge_recoveries_total", rung)] for rung in RUNGS] == [1, 0, 0, 0, 0, 0]
    assert found[("edge_events_total", "appeared")] == 1 and found[("edge_events_total", "gone")] == 0
    assert found[("edge_subject",)] == 1 and found[("edge_second_choice",)] == 1
    assert found[("edge_subject_score",)] == 0.7
    assert found[("edge_spool_events",)] == 7
    assert found[("edge_settings_reloads_total", "taken")] == 2
    assert found[("edge_settings_reloads_total", "refused")] == 1
    assert found[("edge_temperature_celsius",)] == 61.5 and found[("edge_power_watts",)] == 4.2
    assert found[("edge_limited", "throttled")] == 1 and found[("edge_fps_limit",)] == 10
    assert 0.5 < found[("edge_since_answer_seconds",)] < GUARD_S
    assert found[("edge_fps",)] == pytest.approx(10.0)
    assert next(key for key in found if key[0] == "edge_info")[:3] == ("edge_info", "litert-cpu", "mobilenet")


def test_what_is_not_known_has_no_value():
    found = told(Vitals("door"))
    unknown = {
        "edge_temperature_celsius",
        "edge_power_watts",
        "edge_fps",
        "edge_fps_limit",
        "edge_subject_score",
        "edge_since_answer_seconds",
    }
    assert not unknown & {name for name, *_ in found}
    assert found[("edge_frames_total",)] == 0


def test_histograms_count_what_is_not_above_each_bound():
    vitals = Vitals("door")
    for ns in (400_000, 500_000, 3_000_000, 9_000_000_000):
        vitals.stages["inference"].add(ns)
    found = told(vitals)
    bounds = [("edge_stage_seconds_bucket", bound, "inference") for bound in (*map(str, BOUNDS_S), "+Inf")]
    counts = [found.get(key, found.get((key[0], key[2], key[1]))) for key in bounds]
    assert counts[:4] == [2, 2, 2, 3] and counts[-2:] == [3, 4]
    assert counts == sorted(counts)
    assert found[("edge_stage_seconds_count", "inference")] == 4
    assert found[("edge_stage_seconds_sum", "inference")] == pytest.approx(9.0039)


def test_what_is_over_is_told_as_0_so_that_its_end_is_seen():
    vitals = full()
    registry = registry_of([vitals])
    exposed(registry, "")
    vitals.problem("mqtt", None)
    vitals.limits = ()
    found = _samples(exposed(registry, "")[0].decode())
    assert found[("edge_problem", "mqtt")] == 0 and found[("edge_limited", "throttled")] == 0


def test_it_speaks_openmetrics_where_that_is_wished():
    body, kind = exposed(registry_of([full()]), "application/openmetrics-text; version=1.0.0,text/plain;q=0.5")
    assert kind.startswith("application/openmetrics-text") and body.endswith(b"# EOF\n")
    assert exposed(registry_of([full()]), "application/openmetrics-text;version=zzz")[1].startswith("text/plain")
    body, kind = exposed(registry_of([full()]), "*/*")
    assert kind.startswith("text/plain") and b'camera="front \\"door\\"\\\\n"' in body


# --- over HTTP


def until(true):
    waited, end = threading.Event(), time.monotonic() + GUARD_S
    while not true():
        assert time.monotonic() < end, "it never was so"
        waited.wait(0.01)


def ask(port, path="/metrics", method="GET"):
    asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(asked, timeout=GUARD_S) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def test_prometheus_is_answered_and_nobody_else():
    vitals = full()
    output = Metrics(settings.Metrics(listen="127.0.0.1:0"), [vitals])
    output.start()
    output.told(Event(id="0" * 32, kind="gone", label="tabby", score=0.5, at=AT, frame=1))
    until(lambda: output.port)
    status, headers, body = ask(output.port)
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=")
    assert headers["Server"] == "edgekit" and int(headers["Content-Length"]) == len(body)
    assert b"edge_frames_total{" in body and b"process_resident_memory_bytes" in body
    assert ask(output.port, "/metrics?name=x")[0] == 200
    status, headers, body = ask(output.port, method="HEAD")
    assert status == 200 and int(headers["Content-Length"]) > 0 and body == b""
    assert ask(output.port, "/")[0] == 404
    output.close()
    output.close()
    assert output.port is None and not [each for each in threading.enumerate() if each.name == "edge-metrics"]
    assert "metrics" not in vitals.problems


def test_a_port_that_is_taken_is_said():
    vitals = Vitals("door")
    with listening("127.0.0.1:0") as theirs:
        output = Metrics(settings.Metrics(listen=f"127.0.0.1:{theirs.getsockname()[1]}"), [vitals])
        output.start()
        until(lambda: "metrics" in vitals.problems)
        output.close()
    assert "choose another one" in vitals.problems["metrics"]


@pytest.fixture
def server():
    """Answers as it is told to: a turn of it a call."""
    with listening("127.0.0.1:0") as ours, Server(ours, registry_of([Vitals("door")]), slow_s=0.2) as server:
        server.timeout = 0.05
        yield server


def connect(server, *said):
    one = create_connection(server.server_address, GUARD_S)
    for each in said:
        one.sendall(each)
    server.handle_request()
    return one


def test_one_who_takes_too_long_is_cut_off_though_he_goes_on_and_on(server):
    with closing(connect(server, b"GET /")) as slow:
        waits = select.poll()
        waits.register(slow, select.POLLIN)

        def cut():
            with suppress(OSError):  # it may be cut in this moment
                slow.sendall(b"a")
            server.handle_request()
            return waits.poll(0)

        until(cut)
        with suppress(ConnectionResetError):
            assert slow.recv(1) == b""


def test_not_many_are_answered_at_once_and_the_first_to_come_goes_first(server):
    server._slow_s = GUARD_S
    silent = [connect(server, b"GET /") for _ in range(AT_ONCE)]
    with closing(connect(server, b"GET /metrics HTTP/1.0\r\n\r\n")) as one:
        assert one.recv(12) == b"HTTP/1.0 200"
        assert silent[0].recv(1) == b""
    server.server_close()
    assert all(each.recv(1) == b"" for each in silent), "the end is the end of all"
    for each in silent:
        each.close()


# --- what is written about them


DOCS, ALERTS, DASHBOARD = (
    ROOT / "docs" / "metrics.md",
    ROOT / "systemd" / "prometheus-alerts.yml",
    ROOT / "systemd" / "grafana-dashboard.json",
)


def named(text):
    """The metrics of ours that a text names."""
    return set(re.findall(r"\b(?:edge|process)_[a-z0-9_]+\b", text))


def queries():
    """Of all panels and variables of the dashboard."""
    board = json.loads(DASHBOARD.read_text())
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    return [target["expr"] for panel in panels for target in panel["targets"]] + [
        variable["query"]["query"] for variable in board["templating"]["list"] if variable["type"] == "query"
    ]


@pytest.mark.skipif(not DOCS.is_file(), reason="no checkout")
def test_every_metric_is_explained_and_none_that_is_not_there():
    there = {re.sub(r"_(bucket|sum|count)$", "", name) for name in families(full())}
    explained = set(re.findall(r"^\| `(\w+)", DOCS.read_text(), re.MULTILINE))
    ours = {name for name in there if name.startswith("edge_")}
    assert ours <= explained, "explain it in docs/metrics.md"
    assert {name for name in explained if name.startswith("edge_")} <= ours
    assert {name for name in explained if name.startswith("process_")} <= there


@pytest.mark.skipif(not DOCS.is_file(), reason="no checkout")
def test_alerts_dashboard_and_text_name_only_metrics_that_are_there():
    there = families(full()) | {re.sub(r"_(bucket|sum|count)$", "", name) for name in families(full())}
    assert named(ALERTS.read_text()) <= there
    assert named(DOCS.read_text()) <= there
    asked = queries()
    assert asked and set().union(*map(named, asked)) <= there
    assert {name for name in there if name.startswith("edge_") and name.endswith("_total")} <= named(
        DASHBOARD.read_text()
    )


@pytest.mark.skipif(not ALERTS.is_file(), reason="no checkout")
def test_every_alert_is_explained():
    alerts = re.findall(r"^ *- alert: (\w+)$", ALERTS.read_text(), re.MULTILINE)
    assert len(alerts) == len(set(alerts)) >= 8
    assert set(alerts) == set(re.findall(r"^\| `(Edge\w+)` ", DOCS.read_text(), re.MULTILINE))


@pytest.fixture
def promtool():
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("no promtool, which comes with Prometheus")
    return found


def beside(name):
    """Of a second camera of the process, to which nothing has happened yet."""
    return Vitals(name)


def test_the_metrics_of_several_cameras_stand_side_by_side_each_with_its_name():
    text = exposed(registry_of([full(), beside("yard")]), "")[0].decode()
    assert text.count("# TYPE edge_frames_total counter") == 1
    assert re.findall(r'^edge_frames_total\{camera="(.*)"\} (\S+)', text, re.MULTILINE) == [
        ('front \\"door\\"\\\\n', "3.0"), ("yard", "0.0"),
    ]  # fmt: skip
    heads = re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
    assert len(heads) == len(set(heads))
    assert text.count("process_resident_memory_bytes ") == 1 + text.count("# HELP process_resident_memory_bytes ") + 1


@pytest.mark.parametrize("others", [(), ("yard",)])
def test_promtool_finds_nothing_wrong_with_the_metrics(promtool, others):
    body = exposed(registry_of([full(), *map(beside, others)]), "")[0]
    done = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True, timeout=GUARD_S)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_promtool_finds_nothing_wrong_with_the_alerts(promtool):
    done = subprocess.run([promtool, "check", "rules", str(ALERTS)], capture_output=True, text=True, timeout=GUARD_S)
    assert done.returncode == 0 and "SUCCESS" in done.stdout, done.stdout + done.stderr


def test_the_alerts_fire_when_they_should_and_not_otherwise(promtool):
    tests = ROOT / "tests" / "alerts.yml"
    done = subprocess.run([promtool, "test", "rules", str(tests)], capture_output=True, text=True, timeout=GUARD_S)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_understands_each_query_of_the_dashboard(promtool, tmp_path):
    for number, query in enumerate(queries()):
        plain = query.replace("$__rate_interval", "1m").replace("$camera", "door").replace("$interval", "1m")
        if not plain.startswith("label_values"):
            rules = {"groups": [{"name": "g", "rules": [{"record": f"r{number}", "expr": plain}]}]}
            (tmp_path / f"{number}.yml").write_text(json.dumps(rules))
    files = sorted(map(str, tmp_path.iterdir()))
    done = subprocess.run([promtool, "check", "rules", *files], capture_output=True, text=True, timeout=GUARD_S)
    assert done.returncode == 0 and len(files) > 10, done.stdout + done.stderr


@pytest.fixture
def prometheus(tmp_path):
    """Starts Prometheus, which asks a port for metrics and judges them by the alerts; returns how to ask it."""
    if shutil.which("prometheus") is None:
        pytest.skip("no prometheus")
    with listening("127.0.0.1:0") as ours:
        port = ours.getsockname()[1]
    started = []

    def start(asked):
        target = {"job_name": "edge", "static_configs": [{"targets": [f"127.0.0.1:{asked}"]}]}
        often = {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"}
        config = {"global": often, "scrape_configs": [target], "rule_files": [str(ALERTS)]}
        (tmp_path / "prometheus.yml").write_text(json.dumps(config))
        place = [f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
        command = ["prometheus", *place, f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
        started.append(subprocess.Popen(command, cwd=tmp_path))

        def api(what):
            try:
                status, _, body = ask(port, f"/api/v1/{what}")
            except OSError:
                return None
            return json.loads(body)["data"] if status == 200 else None

        return api

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_real_prometheus_takes_metrics_and_alerts(prometheus):
    vitals = full()
    output = Metrics(settings.Metrics(listen="127.0.0.1:0"), [vitals])
    output.start()
    until(lambda: output.port)
    api = prometheus(output.port)

    def found(query):
        answer = api(f"query?query={query}")
        return answer and [each["value"][1] for each in answer["result"]]

    until(lambda: found("edge_frames_total") == ["3"])
    assert found('up{job="edge"}') == ["1"]
    assert len(api("rules")["groups"][0]["rules"]) == len(re.findall("- alert:", ALERTS.read_text()))
    until(lambda: found('ALERTS{alertname="EdgeHeldBack",alertstate="pending"}') == ["1"])
    output.close()
    until(lambda: found('up{job="edge"}') == ["0"])
