"""What systemd is told, read from a real socket."""

import re
import resource
import socket
from contextlib import closing

import pytest

from edge.service.notify import Notify


class Manager:
    """The end of the service manager. environment: what it gives to a service."""

    def __init__(self, path, address=None, **environment):
        self.way = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.way.bind(address or str(path / "notify"))
        self.way.setblocking(False)
        told = address.replace("\0", "@", 1) if address else str(path / "notify")
        self.told = []
        self.environment = {"NOTIFY_SOCKET": told, **environment}

    def notify(self, *options, **more):
        """The end of a service."""
        self.told.append(Notify(self.environment, *options, **more))
        return self.told[-1]

    def heard(self):
        """All messages that came since it was asked last."""
        found = []
        while True:
            try:
                found.append(self.way.recv(4096).decode())
            except BlockingIOError:
                return found

    def close(self):
        for each in (self.way, *self.told):
            each.close()


@pytest.fixture
def manager(tmp_path):
    made = []

    def make(**environment):
        made.append(Manager(tmp_path, **environment))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_each_message_is_one_datagram_in_the_words_of_sd_notify(manager):
    systemd = manager()
    notify = systemd.notify()
    notify.ready()
    notify.status("running: 20 °C\nand well")
    notify.extend(1.5)
    notify.stopping()
    assert systemd.heard() == ["READY=1", "STATUS=running: 20 °C and well", "EXTEND_TIMEOUT_USEC=1500000", "STOPPING=1"]


def test_a_reload_tells_the_monotonic_time_that_systemd_asks_for(manager):
    systemd = manager()
    systemd.notify().reloading()
    assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=[0-9]+", systemd.heard()[0])


def test_a_status_is_told_once_until_it_changes(manager):
    systemd = manager()
    notify = systemd.notify()
    for words in ("a", "a", "b"):
        notify.status(words)
    assert systemd.heard() == ["STATUS=a", "STATUS=b"]


def test_a_sign_of_life_is_given_each_quarter_of_the_watchdogs_time_and_no_more_often(manager):
    systemd, now = manager(WATCHDOG_USEC="4000000", WATCHDOG_PID="7"), [100.0]
    notify = systemd.notify(lambda: now[0], pid=7)
    assert notify.watched
    for _ in range(25):
        notify.alive()
        now[0] += 0.1
    assert systemd.heard() == ["WATCHDOG=1"] * 3


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "²"},
        {"WATCHDOG_USEC": "9", "WATCHDOG_PID": "8"},
    ],
)
def test_no_sign_of_life_is_given_where_nobody_watches_this_process(manager, environment):
    systemd = manager(**environment)
    notify = systemd.notify(pid=7)
    notify.alive()
    assert not notify.watched and systemd.heard() == []


def test_an_abstract_address_is_understood(manager, tmp_path):
    systemd = manager(address=f"\0edge-{tmp_path.name}")
    systemd.notify().ready()
    assert systemd.heard() == ["READY=1"]


def test_nothing_is_sent_where_nobody_asked_for_it():
    notify = Notify({"WATCHDOG_USEC": "4000000"}, pid=7)
    notify.ready()
    notify.alive()
    assert not notify.watched


def test_a_manager_that_has_gone_harms_nobody(tmp_path):
    for address in (str(tmp_path / "gone"), "/" + "x" * 200):
        with closing(Notify({"NOTIFY_SOCKET": address})) as notify:
            notify.ready()


def test_signs_of_life_go_on_where_all_descriptors_are_taken(manager):
    systemd = manager()
    notify, limits = systemd.notify(), resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, limits[1]))
    try:
        notify.ready()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert systemd.heard() == ["READY=1"]
