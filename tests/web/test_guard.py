"""Who calls this machine by another name, comes from another page, asks too much or has no token gets no further."""

import asyncio
import gzip
import json
import logging
import socket
from contextlib import closing

import pytest
from asking import HOME, KEPT, TOKEN, ask, asked, page, watched
from hypothesis import given
from hypothesis import settings as how_many
from hypothesis import strategies as st

from edge import settings
from edge.inbox import Inbox
from edge.vitals import Vitals
from edge.web import names_of
from edge.web.costs import REQUEST_S
from edge.web.exchange import HEADERS, MOST_BYTES, PICTURE_BYTES, Exchange
from edge.web.guard import BURST, RATE, Guard, Rates, host_of
from edge.web.remembered import ADDRESSES

ROOT = "/api/v1"
JSON = {"Content-Type": "application/json"}
BEARER = {"Authorization": f"Bearer {TOKEN}"}
COOKIE = "edge_session_8080"
FRAME = f"{ROOT}/frame"


async def plain(scope, receive, send):
    """Tells how much it got."""
    come, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("it went")
        come, more = come + len(message["body"]), message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-content-type-options", b"own")]})
    await send({"type": "http.response.body", "body": str(come).encode()})


def guarded(app=plain, names=("camera.local", "localhost"), sessions=None):
    return Guard(app, names, {"/open"}, sessions, COOKIE, clock=lambda: 0.0)


# --- names: DNS rebinding


@pytest.mark.parametrize(
    "host",
    ["camera.local", "camera.local:8080", "CAMERA.local:80", "camera.local.", "camera.local.:8080", "localhost:1",
     "127.0.0.1:8080", "192.0.2.1", "[::1]:8080", "[::1]", "[fe80::1]:80", "10.0.0.1:"],
)  # fmt: skip
def test_a_machine_answers_to_its_own_names_and_to_every_address(host):
    assert ask(guarded(), headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "camera.local.evil.example", "127.0.0.1.evil.example", "evil-camera.local",
     "camera.local@evil.example", "camera.local:80@evil.example", "camera.local:80:80", "camera.local/", "", " ", ":80",
     "::1", "[::1", "::1]", "[]", "[camera.local]", "camera.local:http", "camera.local:\uff18", "127.1", "0x7f000001",
     "2130706433", "localhost..", ".localhost", "local host", "camera.local,evil.example", "é.local", "[::1]x:80"],
)  # fmt: skip
def test_a_page_whose_name_was_made_to_point_at_this_machine_gets_nothing(host):
    """DNS rebinding: the browser takes the page and the camera for one origin, but the name it calls is the page's."""
    header = host.encode().decode("latin-1")
    for path in ("/", "/open", "/api/v1/status"):
        answer = ask(guarded(), path, headers={"Host": header})
        assert answer.status == 421 and "hosts" in answer.error


def test_a_machine_is_called_by_its_name_and_what_its_owner_adds():
    own = socket.gethostname().lower()
    found = names_of(settings.Web(listen="Door.example:80", hosts=["Cam.Example"]))
    assert {"localhost", own, f"{own.partition('.')[0]}.local", "door.example", "cam.example"} <= found
    assert "" not in names_of(settings.Web(listen=":8080"))
    with page(hosts=["Cam.Example"]) as app:
        assert ask(app, headers={"Host": "cam.example:8080"}).status == 200
        assert ask(app, headers={"Host": "cam2.example:8080"}).status == 421


@given(st.text(max_size=40))
def test_any_host_is_a_name_without_what_could_mislead_or_none(header):
    found = host_of(header)
    assert found is None or not set(found) & set("/@?#[] ")


@pytest.mark.parametrize("name", ["host", "origin", "content-length", "authorization", "transfer-encoding"])
def test_what_is_said_twice_is_refused(name):
    values = {"host": HOME, "origin": f"http://{HOME}", "content-length": "0", "authorization": "Bearer x"}
    pairs = [(name, values.get(name, "chunked"))] * 2
    assert ask(guarded(), headers=pairs).status == 400


def test_without_a_host_nothing_is_answered():
    async def nameless():
        found = []

        async def send(message):
            found.append(message)

        await guarded()({"type": "http", "method": "GET", "path": "/", "headers": []}, None, send)
        return found[0]["status"]

    assert asyncio.run(nameless()) == 400


NAMES = ["host", "origin", "cookie", "authorization", "content-length", "transfer-encoding", "sec-fetch-site", "x"]
VALUES = st.one_of(
    st.sampled_from([HOME, f"http://{HOME}", "cross-site", "chunked", "0", f"Bearer {TOKEN}", f"{COOKIE}=x", "Bearer"]),
    st.text(st.characters(max_codepoint=255), max_size=30),
)


def test_whatever_the_headers_say_they_are_understood_or_refused():
    with closing(asyncio.new_event_loop()) as loop, page(kept=KEPT) as app:

        @how_many(max_examples=100)
        @given(st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=6), st.sampled_from(["GET", "POST", "X"]))
        def holds(headers, method):
            answer = loop.run_until_complete(asked(app, f"{ROOT}/cameras", method, headers))
            refused = answer.status in (400, 401, 403, 413, 421, 429)
            assert refused or f"Bearer {TOKEN}" in dict(headers)["authorization"]

        holds()


def test_what_is_no_request_is_left_alone():
    async def connect():
        await guarded()({"type": "websocket"}, None, None)

    asyncio.run(connect())


# --- other pages: CSRF


PAGE = {"Origin": f"http://{HOME}", "Sec-Fetch-Site": "same-origin"}
FOREIGN = [
    {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": f"http://{HOME}.evil.example"},
    {"Origin": "http://192.0.2.10"}, {"Origin": "http://192.0.2.10:8081"}, {"Origin": f"ftp://{HOME}"}, {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "anything"},
    {"Origin": f"http://{HOME}", "Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
]  # fmt: skip


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_the_page_of_another_address_can_ask_for_nothing(headers):
    for method in ("GET", "POST", "PATCH", "HEAD", "OPTIONS"):
        answer = ask(guarded(), "/api/v1/settings", method, headers)
        assert answer.status == 403 and "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_another_page_changes_nothing_with_the_owners_own_cookie(headers):
    with page(kept=KEPT) as app:

        async def main():
            session = await logged_in(app)
            own = {"Cookie": f"{COOKIE}={session}", **JSON}
            assert (await asked(app, f"{ROOT}/settings", "PATCH", {**own, **headers}, b'{"paused":true}')).status == 403
            assert (await asked(app, "/logout", "POST", {**own, **headers})).status == 403
            assert (await asked(app, "/login", "POST", {**JSON, **headers}, login(TOKEN))).status == 403
            return json.loads((await asked(app, f"{ROOT}/settings", "GET", own)).body)

        assert asyncio.run(main())["paused"] is False


def test_the_pages_own_requests_and_those_of_programs_pass():
    for headers in (PAGE, {}, {"Origin": f"http://{HOME}"}, {"Sec-Fetch-Site": "none"}):
        assert ask(guarded(), "/api/v1/settings", "PATCH", headers).status == 200


def test_behind_one_who_speaks_tls_the_page_passes_too():
    assert ask(guarded(), "/x", "POST", {"Origin": f"https://{HOME}"}).status == 200
    assert ask(guarded(), "/x", "POST", {"Origin": f"http://{HOME}"}, scheme="https").status == 403


def test_a_link_on_another_page_opens_the_page_and_nothing_else():
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert ask(guarded(), "/", "GET", link).status == 200
    for path, method in (("/api/v1/settings", "GET"), ("/picture.jpg", "GET"), ("/", "POST")):
        assert ask(guarded(), path, method, link).status == 403


# --- how much


def test_a_body_that_says_it_is_too_large_is_not_taken():
    for size in (str(MOST_BYTES + 1), "9" * 300):
        answer = ask(guarded(), method="POST", headers={"Content-Length": size})
        assert answer.status == 413 and answer.headers["connection"] == "close"
    assert ask(guarded(), method="POST", headers={"Content-Length": str(MOST_BYTES)}).status == 200


@pytest.mark.parametrize("size", ["-1", "+1", "1_0", "0x1", "1.0", "", "\uff11", "1, 1"])
def test_a_length_that_is_none_is_refused(size):
    answer = ask(guarded(), method="POST", headers={"Content-Length": size.encode().decode("latin-1")})
    assert answer.status == 400


def test_a_length_beside_pieces_is_refused():
    """RFC 9112, section 6.1: it may be an attempt at smuggling a request."""
    headers = {"Content-Length": "3", "Transfer-Encoding": "chunked"}
    assert ask(guarded(), method="POST", headers=headers).status == 400


def test_a_body_in_pieces_is_taken_up_to_the_same_size_and_then_no_more_of_it():
    piece = bytes(MOST_BYTES // 4)
    assert ask(guarded(), method="POST", pieces=[piece] * 4).body == str(MOST_BYTES).encode()
    answer = ask(guarded(), method="POST", pieces=[piece] * 4 + [b"x"])
    assert answer.status == 413 and answer.headers["connection"] == "close" and "x-frame-options" in answer.headers


def test_only_where_pictures_of_a_browser_come_in_is_much_taken_and_least_where_no_token_is_needed():
    """So that nobody who has no token fills the memory with halves of requests."""
    sizes = {FRAME: (PICTURE_BYTES, 0), f"{ROOT}/settings": (MOST_BYTES, MOST_BYTES), "/login": (4096, 4096)}
    for number, inbox in enumerate((Inbox(), None)):
        with page(inbox=inbox, kept=KEPT) as app:
            for path, most in sizes.items():
                method, size = "PATCH" if "settings" in path else "POST", most[number] or MOST_BYTES
                kind = {**BEARER, "Content-Type": "image/jpeg" if path == FRAME else "application/json"}
                assert ask(app, path, method, {**kind, "Content-Length": str(size + 1)}).status == 413, path
                if most[number]:  # else nothing is read at all
                    assert ask(app, path, method, kind, pieces=[bytes(size // 2 + 1)] * 2).status == 413, path
                    assert ask(app, path, method, kind, pieces=[bytes(size)]).status != 413, path


def test_a_fault_is_not_hidden_by_that():
    with pytest.raises(ConnectionError):
        ask(guarded(), method="POST", pieces=[])


def test_one_address_may_ask_so_often_and_others_are_not_held_up_by_it():
    app = guarded()

    async def main():
        first = [(await asked(app)).status for _ in range(int(BURST))]
        answer = await asked(app)
        return first, answer, (await asked(app, client="192.0.2.8")).status

    first, answer, other = asyncio.run(main())
    assert set(first) == {200} and other == 200
    assert answer.status == 429 and answer.headers["retry-after"] == "1"


def test_what_a_request_cost_that_came_to_nothing_is_told_and_what_others_cost_is_not():
    cost = []
    app = Guard(plain, ("camera.local",), {"/open"}, None, COOKIE, refused=cost.append, clock=lambda: 0.0)
    assert ask(app).status == 200 and cost == []
    assert ask(app, headers={"Host": "evil.example"}).status == 421 and len(cost) == 1
    with pytest.raises(ConnectionError):
        ask(app, method="POST", pieces=[])
    with page(kept=KEPT) as app:
        app._refused = cost.append
        assert ask(app, f"{ROOT}/status").status == 401
        assert ask(app, f"{ROOT}/nothing", headers=BEARER).status == 404
        assert ask(app, f"{ROOT}/status", headers=BEARER).status == 200
    assert len(cost) == 3 and all(0 < each <= REQUEST_S for each in cost)


def test_who_asks_too_often_may_ask_again_as_time_goes_by():
    now = [0.0]
    rates = Rates(lambda: now[0])
    assert sum(rates.allows("a") for _ in range(1000)) == BURST
    now[0] = 0.5
    assert sum(rates.allows("a") for _ in range(1000)) == RATE / 2
    now[0] = 1000.0
    assert sum(rates.allows("a") for _ in range(1000)) == BURST


def test_very_many_addresses_take_no_memory():
    rates = Rates(lambda: 0.0)
    assert all(rates.allows(str(number)) for number in range(ADDRESSES + 500))
    assert len(rates._left) == ADDRESSES


# --- tokens and sessions


def login(token):
    return json.dumps({"token": token}).encode()


async def logged_in(app, name=COOKIE):
    answer = await asked(app, "/login", "POST", {**JSON, **PAGE}, login(TOKEN))
    assert answer.status == 204
    key, _, value = answer.headers["set-cookie"].partition(";")[0].partition("=")
    assert key == name
    return value


OPEN = ["/", "/app.js", "/page.css", "/healthz"]
SHUT = ["/health", "/metrics", "/picture.jpg", "/stream.mjpg", f"{ROOT}/openapi.json", f"{ROOT}/updates", "/index.html",
        f"{ROOT}/cameras", f"{ROOT}/status", f"{ROOT}/settings", f"{ROOT}/events", "/nothing", "//", "/./", "/login/",
        "/api/v1/../../", "/healthz/", "/Login", "/app.js/..;/api/v1/status", ""]  # fmt: skip


def test_without_the_token_there_is_the_page_but_nothing_of_the_camera():
    with page(watched(Vitals("attic-7")), kept=KEPT) as app:

        async def main():
            for path in SHUT:
                for headers in ({}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer"}, {"Cookie": "x"}):
                    answer = await asked(app, path, headers=headers)
                    assert answer.status == 401 and "Bearer" in answer.headers["www-authenticate"], path
                assert (await asked(app, path, "POST")).status == 401
            for path in OPEN:
                answer = await asked(app, path)
                assert answer.status in (200, 503) and b"attic-7" not in answer.body

        asyncio.run(main())


def test_the_token_opens_as_bearer_and_a_wrong_one_does_not():
    with page(kept=KEPT) as app:

        async def main():
            for words in (f"Bearer {TOKEN}", f"bearer  {TOKEN} "):
                assert (await asked(app, f"{ROOT}/status", headers={"Authorization": words})).status == 200
            for words in (f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer é", "Bearer " + "x" * 9000):
                assert (await asked(app, f"{ROOT}/status", headers={"Authorization": words})).status == 401

        asyncio.run(main())


def test_a_guesser_is_kept_out_and_the_owner_is_not():
    with page(kept=KEPT) as app:

        async def main():
            for _ in range(10):
                assert (await asked(app, "/login", "POST", JSON, login("guess"), client="192.0.2.66")).status == 401
            locked = await asked(app, "/login", "POST", JSON, login(TOKEN), client="192.0.2.66")
            bearer = await asked(app, f"{ROOT}/status", headers=BEARER, client="192.0.2.66")
            assert (locked.status, bearer.status) == (429, 401) and "was not looked at" in bearer.error
            assert 50 < int(locked.headers["retry-after"]) <= 60 and 50 < int(bearer.headers["retry-after"]) <= 60
            assert await logged_in(app)

        asyncio.run(main())


def test_a_session_opens_until_it_is_logged_out():
    with page(kept=KEPT) as app:

        async def main():
            session = await logged_in(app)
            for cookies in (f"{COOKIE}={session}", f"a=b; {COOKIE}={session}", f"{COOKIE}=tossed; {COOKIE}={session}",
                            f'x="unended; {COOKIE}={session}', f"bad cookie;;=;{COOKIE}={session};"):  # fmt: skip
                told = await asked(app, f"{ROOT}/cameras", headers={"Cookie": cookies})
                assert told.status == 200 and json.loads(told.body)["session"] is True
            planted = f"{COOKIE}=planted; " * 99 + f"{COOKIE}={session}"
            for pairs in ([("cookie", planted)], [("cookie", f"{COOKIE}={session}"), ("cookie", f"{COOKIE}=planted")]):
                assert (await asked(app, f"{ROOT}/cameras", headers=pairs)).status == 200
            for cookies in (f"{COOKIE}={session}x", f"{COOKIE}=", f"edge_session_81={session}", session):
                assert (await asked(app, f"{ROOT}/cameras", headers={"Cookie": cookies})).status == 401
            cookie = {"Cookie": f"{COOKIE}={session}"}
            assert (await asked(app, "/logout", headers=cookie)).status == 405, "a link logs nobody out"
            answer = await asked(app, "/logout", "POST", cookie)
            assert answer.status == 204 and "Max-Age=0" in answer.headers["set-cookie"]
            assert (await asked(app, f"{ROOT}/cameras", headers=cookie)).status == 401

        asyncio.run(main())


def test_logging_out_ends_the_session_whatever_other_cookies_of_its_name_are_sent():
    with page(kept=KEPT) as app:

        async def main():
            for cookies in ("{0}={1}; {0}=planted", "{0}=planted; {0}={1}"):
                session = await logged_in(app)
                answer = await asked(app, "/logout", "POST", {"Cookie": cookies.format(COOKIE, session)})
                assert answer.status == 204
                headers = {"Cookie": f"{COOKIE}={session}"}
                assert (await asked(app, f"{ROOT}/cameras", headers=headers)).status == 401

        asyncio.run(main())


def test_the_cookie_is_for_this_page_alone_and_no_script_reads_it():
    with page(kept=KEPT) as app:
        told = ask(app, "/login", "POST", JSON, login(TOKEN)).headers["set-cookie"]
        assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in told.split(";")}
        assert "Domain" not in told and "Secure" not in told
    with page(kept=KEPT, secure=True) as app:
        told = ask(app, "/login", "POST", JSON, login(TOKEN), scheme="https").headers["set-cookie"]
        assert told.startswith("__Host-edge_session_8080=") and "Secure" in told and "HttpOnly" in told


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'"x"', b"\xff", b'{"token": 5}', b'{"token": ""}', b"[" * 3999,
                                  b'{"token": "x", "more": 1}', b'{"token": "\\ud800"}'])  # fmt: skip
def test_a_login_that_holds_no_token_is_refused(body):
    with page(kept=KEPT) as app:
        assert ask(app, "/login", "POST", JSON, body).status == 422


def test_where_no_token_is_needed_a_login_is_let_in_and_sets_nothing():
    with page() as app:
        answer = ask(app, "/login", "POST", JSON, login("anything"))
        assert answer.status == 204 and "set-cookie" not in answer.headers
        assert ask(app, "/logout", "POST").status == 204
        assert ask(app, f"{ROOT}/status").status == 200


def test_no_token_and_no_session_is_ever_logged(caplog):
    with caplog.at_level(logging.DEBUG), page(kept=KEPT) as app:

        async def main():
            session = await logged_in(app)
            await asked(app, f"{ROOT}/status", headers={"Cookie": f"{COOKIE}={session}"})
            for _ in range(11):
                await asked(app, "/login", "POST", JSON, login("a-wrong-token"), client="192.0.2.66")
                await asked(app, f"{ROOT}/status?token={TOKEN}", headers=BEARER)
            return session

        session = asyncio.run(main())
    assert "192.0.2.66" in caplog.text
    assert not [secret for secret in (TOKEN, session, "a-wrong-token", KEPT.line) if secret in caplog.text]


# --- what goes on


class Waiting:
    """A request whose client stays."""

    def __init__(self):
        self.told, self.asked = [], asyncio.Event()

    async def receive(self):
        self.asked.set()
        await asyncio.Event().wait()

    async def send(self, message):
        self.told.append(message)


def test_what_goes_on_ends_with_the_session_and_nothing_is_told_after_it():
    async def main():
        client = Waiting()
        holds = [True, True, False]
        exchange = Exchange(client.receive, client.send, 9, lambda: holds.pop(0), look_s=0.001)
        await exchange.send({"type": "http.response.start", "status": 200})
        assert (await exchange.receive())["type"] == "http.disconnect" and holds == []
        await exchange.send({"type": "http.response.body", "body": b"a picture"})
        assert len(client.told) == 1 and exchange.over
        exchange.close()

    asyncio.run(main())


def test_as_long_as_a_session_lasts_what_comes_is_passed_on():
    async def main():
        parts = [{"type": "http.request", "body": b"x", "more_body": False}, {"type": "http.disconnect"}]

        async def receive():
            return parts.pop(0)

        exchange = Exchange(receive, receive, 9, lambda: True)
        assert (await exchange.receive())["body"] == b"x"
        assert (await exchange.receive())["type"] == "http.disconnect" and not exchange.over
        exchange.close()

    asyncio.run(main())


@pytest.mark.parametrize("path", ["/stream.mjpg", f"{ROOT}/updates"])
def test_a_stream_ends_when_its_viewer_logs_out(path):
    with page(kept=KEPT) as app:

        async def main():
            session = await logged_in(app)
            cookie = {"Cookie": f"{COOKIE}={session}"}
            viewer = Waiting()
            scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "query_string": b"",
                     "headers": [(b"host", HOME.encode()), (b"cookie", cookie["Cookie"].encode())],
                     "client": ("192.0.2.7", 1), "scheme": "http", "server": ("x", 80)}  # fmt: skip
            looks = asyncio.ensure_future(app(scope, viewer.receive, viewer.send))
            await asyncio.wait_for(viewer.asked.wait(), 60)
            assert (await asked(app, "/logout", "POST", cookie)).status == 204
            await asyncio.wait_for(looks, 60)
            assert viewer.told[0]["status"] == 200
            assert viewer.told[-1].get("more_body"), "it is cut off, not ended as if that were all"

        asyncio.run(main())


# --- what every answer says


def test_every_answer_whatever_it_is_forbids_what_a_page_might_do_with_it():
    with page(kept=KEPT) as app:

        async def main():
            headers = {"Host": "evil.example"}
            found = [await asked(app, path) for path in [*OPEN, *SHUT]]
            found += [await asked(app, headers=headers), await asked(app, "/", "DELETE")]
            found.append(await asked(app, f"{ROOT}/status", headers=BEARER))
            for answer in found:
                assert all(answer.headers[name.lower()] == value for name, value in HEADERS.items())

        asyncio.run(main())
    policy = dict(part.partition(" ")[::2] for part in HEADERS["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert policy["trusted-types"] == "'none'" and policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in str(policy) and "http" not in str(policy) and "*" not in str(policy)
    assert HEADERS["Cross-Origin-Opener-Policy"] == HEADERS["Cross-Origin-Resource-Policy"] == "same-origin"
    assert (HEADERS["X-Frame-Options"], HEADERS["X-Content-Type-Options"]) == ("DENY", "nosniff")
    assert HEADERS["Referrer-Policy"] == "no-referrer"


def test_the_pages_own_files_come_smaller_where_that_is_understood():
    with page(kept=KEPT) as app:

        async def main():
            for path in ("/", "/app.js", "/page.css", "/icon.svg"):
                plain = await asked(app, path)
                assert "content-encoding" not in plain.headers and plain.headers["vary"] == "Accept-Encoding"
                for accepts in ("gzip", "br, GZIP;q=0.5, *;q=0.1", "deflate , gzip"):
                    small = await asked(app, path, headers={"Accept-Encoding": accepts})
                    assert small.headers["content-encoding"] == "gzip" and small.headers["vary"] == "Accept-Encoding"
                    assert gzip.decompress(small.body) == plain.body and len(small.body) < len(plain.body)
                    assert int(small.headers["content-length"]) == len(small.body)
                for accepts in ("br", "gzip;q=0", "gzip; q=0.000", "x-gzip2", "*", ""):
                    answer = await asked(app, path, headers={"Accept-Encoding": accepts})
                    assert answer.body == plain.body and "content-encoding" not in answer.headers
            headers = {**BEARER, "Accept-Encoding": "gzip"}
            for path in (f"{ROOT}/cameras", f"{ROOT}/openapi.json", "/metrics"):
                told = await asked(app, path, headers=headers)
                assert told.status == 200 and "content-encoding" not in told.headers, "its length tells what is in it"

        asyncio.run(main())


def test_an_answer_may_say_more_but_says_nothing_twice():
    answer = ask(guarded())
    assert answer.headers["x-content-type-options"] == "own" and answer.headers["x-frame-options"] == "DENY"


def test_what_is_of_the_camera_is_kept_by_no_browser():
    with page() as app:

        async def main():
            for path in ("/health", "/healthz", "/metrics", f"{ROOT}/status", f"{ROOT}/settings", "/picture.jpg"):
                assert (await asked(app, path)).headers["cache-control"] == "no-store", path

        asyncio.run(main())
