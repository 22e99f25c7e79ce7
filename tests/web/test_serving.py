"""A server that gives those who ask no more than it may: real sockets, and a small application behind them."""

import asyncio
import errno
import logging
import resource
import select
import socket
import ssl
import threading
import time
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from certificates import ONE

from edge.listening import listening
from edge.web.asgi import gone as has_gone
from edge.web.costs import CONNECTION_S, SAVED_S, Costs
from edge.web.exchange import HEADERS
from edge.web.serving import HANDSHAKES, HEAD_BYTES, LEAST_BYTES, Acceptor, Stalls, Teller, address_of, serve

GUARD_S = 60.0

BLOCK = bytes(1 << 18)


async def app(scope, receive, send, left_at=threading.Event()):  # noqa: B008 - for those who do not ask
    """/: "well"; /sum: how much was brought along; /endless: for ever; all else is a fault. left_at: is set where one
    who asked for what has no end is gone."""
    body = b"well"
    if scope["path"] == "/endless":
        left = asyncio.ensure_future(has_gone(receive))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not left.done():
            await send({"type": "http.response.body", "body": BLOCK, "more_body": True})
            await asyncio.wait([left], timeout=0.01)
        left_at.set()
        return
    if scope["path"] == "/sum":
        size, more = 0, True
        while more:
            message = await receive()
            size, more = size + len(message.get("body", b"")), message.get("more_body", False)
        body = str(size).encode()
    elif scope["path"] != "/":
        raise ValueError("a fault")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def served(most=8, stall_s=GUARD_S, tls=None, app=app):
    over = threading.Event()
    with listening("127.0.0.1:0") as ours:
        port = ours.getsockname()[1]
        thread = threading.Thread(
            target=serve, args=(app, ours, over), kwargs={"most": most, "stall_s": stall_s, "tls": tls}
        )
        thread.start()
        try:
            yield port
        finally:
            over.set()
            thread.join(GUARD_S)
            assert not thread.is_alive()


def connect(port, address="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", port), GUARD_S, (address, 0))


def head(path="/", method="GET", more=""):
    return f"{method} {path} HTTP/1.1\r\nHost: a\r\n{more}\r\n".encode()


def told(port, data=None, address="127.0.0.1"):
    """What is answered, to its end; b"" where the connection is cut."""
    with closing(connect(port, address)) as one:
        return said(one, head() if data is None else data)


def said(one, data=b""):
    found = b""
    with suppress(ConnectionError):
        one.sendall(data)
        while not found.endswith(b"well") and (more := one.recv(4096)):
            found += more
    return found


def is_cut(one):
    """Wait until a connection is closed from the other side."""
    with suppress(ConnectionError):
        while one.recv(1 << 20):
            pass
    return True


def gone(ones):
    """Which of some connections have been closed by now."""
    ready = select.poll()
    for one in ones:
        ready.register(one, select.POLLIN | select.POLLHUP)
    there = {handle for handle, _ in ready.poll(0)}
    return [one for one in ones if one.fileno() in there]


def until(true):
    waited, end = threading.Event(), time.monotonic() + GUARD_S
    while not true():
        assert time.monotonic() < end, "it never was so"
        waited.wait(0.01)


# --- who holds a connection


def test_who_asks_nothing_or_half_or_brings_half_along_or_reads_nothing_is_cut_off():
    left = threading.Event()
    with served(stall_s=0.2, app=partial(app, left_at=left)) as port:
        ones = [connect(port) for _ in range(5)]
        for one, data in zip(
            ones,
            (b"", b"GET / HT", head("/sum", "POST", "Content-Length: 9\r\n") + b"half", head("/endless"),
             head("/sum", "POST", "Transfer-Encoding: chunked\r\n") + b"5\r\nab"),
            strict=True,
        ):  # fmt: skip
            one.sendall(data)
        until(lambda: len(gone([one for one in ones if one is not ones[3]])) == 4)
        assert left.wait(GUARD_S)
        assert all(is_cut(one) for one in ones)
        assert told(port).endswith(b"well")
        for one in ones:
            one.close()


def test_where_there_are_too_many_one_goes_that_waits_of_the_address_that_has_the_most():
    with served(most=4) as port:
        busy, guest = connect(port), connect(port, "127.0.0.3")
        busy.sendall(head("/endless"))
        assert busy.recv(100)
        many = [connect(port, "127.0.0.2") for _ in range(6)]
        many[0].sendall(head("/sum", "POST", "Content-Length: 9\r\n"))
        until(lambda: len(gone(many)) == 4)
        assert said(guest, head()).endswith(b"well"), "one from elsewhere was left alone"
        assert busy.recv(100), "and so was one that is answered"
        for one in (busy, guest, *many):
            one.close()


def test_where_all_are_being_answered_a_new_one_is_cut_off():
    with served(most=1) as port, closing(connect(port)) as busy:
        busy.sendall(head("/endless"))
        assert busy.recv(100)
        assert told(port) == b""


def test_an_answer_that_goes_on_ends_with_the_server():
    with closing(socket.socket()) as one:
        with served() as port:
            one.connect(("127.0.0.1", port))
            one.sendall(head("/endless"))
            assert one.recv(100)
        assert is_cut(one)


class Connection:
    """A connection as uvicorn has it."""

    def __init__(self):
        self.cycle = None
        self.transport = self
        self.unsent, self.come, self.closing = 0, 0, False

    def get_write_buffer_size(self):
        return self.unsent

    def is_closing(self):
        return self.closing


class Request:
    response_complete = more_body = False


def test_who_waits_for_an_answer_or_takes_some_of_it_is_not_cut_off():
    stalls, viewer = Stalls(10.0), Connection()
    viewer.cycle = Request()
    assert not any(stalls.stuck([viewer], at) for at in range(100)), "nothing to send"
    for at in range(100, 200):
        viewer.unsent = 5000 - at if at % 8 else 6000
        assert stalls.stuck([viewer], at) == [], "a slow one"


@pytest.mark.parametrize("state", ["asks nothing", "brings half along", "reads nothing", "is closing", "is idle"])
def test_on_whom_nothing_moves_is_cut_off(state):
    stalls, one = Stalls(10.0), Connection()
    if state != "asks nothing":
        one.cycle = Request()
    if state in ("reads nothing", "is closing"):
        one.unsent = 5000
    one.closing = state == "is closing"
    if state == "is idle":
        one.cycle.response_complete = True
    if state == "brings half along":
        one.cycle.more_body = True
    assert stalls.stuck([one], 0.0) == []
    assert stalls.stuck([one], 9.0) == []
    assert stalls.stuck([one], 10.0) == [one]
    assert stalls.stuck([], 11.0) == []
    assert stalls.stuck([one], 12.0) == [], "it is a new one"


def test_who_brings_a_large_body_along_may_take_its_time_and_who_drips_is_cut_off():
    stalls, quick, slow = Stalls(10.0), Connection(), Connection()
    for each in (quick, slow):
        each.cycle = Request()
        each.cycle.more_body = True
    cut = []
    for at in range(40):
        quick.come += LEAST_BYTES // 9
        slow.come += LEAST_BYTES // 20
        cut += stalls.stuck([each for each in (quick, slow) if each not in cut], at)
        assert quick not in cut
    assert cut == [slow]


def test_what_comes_on_a_connection_is_counted():
    servers = []
    with door(servers=servers) as (port, _), closing(connect(port)) as one:
        sent = head("/sum", "POST", "Content-Length: 50\r\n") + bytes(20)
        one.sendall(sent)
        until(lambda: [each.come for each in servers[0].server_state.connections] == [len(sent)])


def test_one_that_went_as_it_came_has_no_address():
    one = Connection()
    one.client = None
    assert address_of(one) == ""
    one.client = ("127.0.0.1", 80)
    assert address_of(one) == "127.0.0.1"


def test_who_asks_again_on_the_same_connection_is_not_cut_off():
    stalls, one = Stalls(10.0), Connection()
    for at in range(0, 100, 5):
        one.cycle = Request()
        one.cycle.response_complete = True
        assert stalls.stuck([one], at) == []


# --- what is sent


def test_what_is_no_request_is_refused_and_costs_its_connection_alone():
    garbage = (
        b"garbage\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 2 * HEAD_BYTES,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        head("/", "POST", "Content-Length: 5\r\nContent-Length: 6\r\n"),
        head("/", "POST", "Content-Length: 5\r\nTransfer-Encoding: chunked, identity\r\n"),
    )
    with served() as port, closing(connect(port)) as other:
        for data in garbage:
            with closing(connect(port)) as one:
                answer = said(one, data)
                assert answer.startswith(b"HTTP/1.1 400 ") and is_cut(one)
                for name, value in HEADERS.items():
                    assert f"\r\n{name}: {value}\r\n".lower() in answer.decode().lower(), "as every answer has"
            assert said(other, head()).endswith(b"well")


def test_a_body_that_turns_out_to_be_garbage_is_refused_and_whoever_waits_for_it_hears_that(caplog):
    sent = head("/sum", "POST", "Transfer-Encoding: chunked\r\n")
    with served() as port:
        assert told(port, sent + b"no length\r\n").startswith(b"HTTP/1.1 400 ")
        with closing(connect(port)) as one:
            one.sendall(sent + b"1\r\nx\r\n")
            assert told(port).endswith(b"well"), "it is waited for by now"
            assert said(one, b"no length\r\n").startswith(b"HTTP/1.1 400 ")
    assert caplog.messages == []


def test_garbage_behind_an_answer_cuts_the_connection_and_is_no_fault(caplog):
    with served() as port:
        with closing(connect(port)) as one:
            assert said(one, head("/", "POST", "Transfer-Encoding: chunked\r\n")).startswith(b"HTTP/1.1 200 ")
            with suppress(ConnectionError):
                one.sendall(b"no length\r\n")
            assert is_cut(one)
        assert told(port, head("/fault")).startswith(b"HTTP/1.1 500 ")
        assert told(port).endswith(b"well")
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING and each.name == "edge"]


def test_who_has_spent_its_share_is_read_later_and_all_the_same():
    costs = Costs(cores=1)
    with door(costs=costs) as (port, _), closing(connect(port)) as one:
        assert said(one, head()).endswith(b"well")
        costs.spend("127.0.0.1", SAVED_S)
        assert told(port, address="127.0.0.2").endswith(b"well")
        assert all(said(one, head()).endswith(b"well") for _ in range(2))


def test_who_has_spent_far_more_is_not_let_in_and_others_are():
    costs = Costs(cores=1)
    costs.spend("127.0.0.2", SAVED_S + 0.01)
    with door(costs=costs) as (port, _):
        assert told(port, address="127.0.0.2") == b""
        assert told(port).endswith(b"well")


# --- TLS


@pytest.fixture
def tls(tmp_path):
    certificate, key = ONE.put(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def shaken(port):
    client = ssl.create_default_context(cadata=ONE.certificate)
    client.check_hostname = False
    return client.wrap_socket(connect(port))


def test_handshakes_that_hang_are_few_and_end_and_what_is_none_costs_its_connection_alone(tls):
    with served(most=100, stall_s=0.5, tls=tls) as port:
        silent = [connect(port) for _ in range(HANDSHAKES + 5)]
        until(lambda: len(gone(silent)) >= 5)
        with closing(shaken(port)) as good:
            assert said(good, head()).endswith(b"well")
        assert told(port) == b"", "plain text"
        assert told(port, b"\x16\x03\x01\xff\xff" + bytes(70_000)) in (b"", b"\x15\x03\x01\x00\x02\x02\x16")
        assert all(is_cut(one) for one in silent)
        for one in silent:
            one.close()


def test_a_handshake_that_is_left_behind_ends_with_the_server(tls):
    with closing(socket.socket()) as one:
        with served(tls=tls) as port:
            one.connect(("127.0.0.1", port))
            with closing(shaken(port)) as other:
                assert said(other, head()).endswith(b"well")
        assert is_cut(one)


# --- the door


@contextmanager
def door(costs=None, full_s=0.05, servers=None, sockets=None):
    """A door in a loop of its own, and what it tells."""
    from edge.web.serving import _server

    with listening("127.0.0.1:0") as ours:
        if sockets is not None:
            sockets.append(ours)
        events, begun, ends = [], threading.Event(), []

        async def run():
            counted = costs or Costs()
            server, begin = _server(app, 8, counted)
            if servers is not None:
                servers.append(server)
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, what: events.append(what["message"]))
            task = asyncio.ensure_future(Acceptor(ours, begin, counted, GUARD_S, None, full_s).take())
            ends.append(lambda: loop.call_soon_threadsafe(task.cancel))
            begun.set()
            with suppress(asyncio.CancelledError):
                await task
            for each in list(server.server_state.connections):
                each.transport.abort()
            await asyncio.sleep(0)

        thread = threading.Thread(target=asyncio.run, args=(run(),))
        thread.start()
        begun.wait(GUARD_S)
        try:
            yield ours.getsockname()[1], events
        finally:
            ends[0]()
            thread.join(GUARD_S)


def test_where_no_file_is_left_to_open_it_is_said_and_tried_again():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with door() as (port, events), closing(connect(port)) as before:
        assert said(before, head()).endswith(b"well")
        one = socket.socket()
        highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
        fill = []
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
            with suppress(OSError):
                while True:
                    fill.append(socket.socket())
            one.settimeout(GUARD_S)
            one.connect(("127.0.0.1", port))
            until(lambda: events)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for each in fill:
                each.close()
        assert said(one, head()).endswith(b"well")
        assert "Too many open files" in events[0]
        one.close()


def test_where_no_connection_can_be_taken_at_all_it_is_said_and_tried_now_and_then_and_ends_with_the_server():
    sockets = []
    with door(full_s=0.001, sockets=sockets) as (_, events):
        sockets[0].shutdown(socket.SHUT_RDWR)
        until(lambda: len(events) > 1)
    assert "Invalid argument" in events[0]


@pytest.mark.parametrize("what, waits", [(errno.ECONNABORTED, 0), (errno.EPERM, 0), (errno.EMFILE, 7), (errno.EIO, 7)])
def test_what_befalls_one_connection_keeps_no_other_one_waiting(what, waits):
    class Socket:
        """Of which nothing can be taken."""

        def setblocking(self, flag):
            pass

        def gettimeout(self):
            return 0

        def fileno(self):
            return -1

        def accept(self):
            taken.append(what)
            raise OSError(what, "x")

    async def main():
        task = asyncio.ensure_future(Acceptor(Socket(), app, Costs(), GUARD_S, None, full_s=waits).take())
        while len(taken) < (1 if waits else 3):
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    taken = []
    asyncio.run(main())
    assert (len(taken) == 1) == bool(waits)


def test_what_reading_costs_is_told_apart():
    apart = []
    with door(costs=Costs(aside=apart.append)) as (port, _):
        assert told(port, b"garbage\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert apart[0] == CONNECTION_S and len(apart) == 2 and apart[1] > 0


def test_what_befalls_the_sockets_is_said_once(caplog):
    caplog.set_level(logging.DEBUG, "edge")
    tell = Teller()
    for words in ("a", "a", "b", "a"):
        tell(None, {"message": words})
    tell(None, {"message": "x", "exception": OSError("c\n")})
    assert [each.levelname for each in caplog.records] == ["WARNING", "DEBUG", "WARNING", "WARNING", "WARNING"]
    assert caplog.messages[-1] == "web: c"
