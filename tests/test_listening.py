"""Where something listens, and what is said where it cannot."""

import socket
import threading
import time
from contextlib import closing

import pytest

from edge.errors import ConfigError
from edge.listener import Listener
from edge.listening import listening, place
from edge.vitals import Vitals

GUARD_S = 60.0


def until(true):
    waited = threading.Event()
    end = time.monotonic() + GUARD_S
    while not true():
        assert time.monotonic() < end, "it never was so"
        waited.wait(0.005)


def test_an_address_is_host_and_port():
    assert place("127.0.0.1:8080") == ("127.0.0.1", 8080)
    assert place("[::1]:80") == ("::1", 80)
    assert place(":9464") == ("", 9464)
    for wrong in ("127.0.0.1:65536", "127.0.0.1:", "x", "1:-1"):
        with pytest.raises(ConfigError, match="up to 65535"):
            place(wrong)


@pytest.mark.parametrize("address", ["127.0.0.1:0", ":0", "localhost:0"])
def test_a_socket_listens_where_it_is_asked(address):
    with listening(address) as ours, closing(socket.create_connection(("127.0.0.1", ours.getsockname()[1]), 5)):
        pass


def test_a_port_that_is_taken_is_said():
    vitals = Vitals("door")
    with listening("127.0.0.1:0") as theirs:
        address = f"127.0.0.1:{theirs.getsockname()[1]}"
        with pytest.raises(OSError, match=r"cannot be listened on \(Address already in use\); choose another one"):
            listening(address)
        listener = Listener("web", address, lambda ours, over: None, vitals)
        listener.start()
        until(lambda: "web" in vitals.problems)
        listener.close()
    assert "choose another one" in vitals.problems["web"] and listener.port is None


@pytest.mark.parametrize("address", ["192.0.2.1:0", "a..b:1"])
def test_an_address_of_another_machine_or_of_none_is_said(address):
    with pytest.raises(OSError, match=r"cannot be listened on \(.+\); choose another one"):
        listening(address)
