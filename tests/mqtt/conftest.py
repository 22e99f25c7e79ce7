"""A camera's output, its broker, and whoever listens to that."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from houses import MOSQUITTO, Broker, House, Listener, Mosquitto


@pytest.fixture
def house() -> Iterator[Callable[..., House]]:
    made: list[House] = []

    def make(port: int, *arguments: Any, started: bool = True, **keys: Any) -> House:
        made.append(House(port, *arguments, **keys))
        if started:
            made[-1].mqtt.start()
        return made[-1]

    yield make
    for each in made:
        each.mqtt.close()


@pytest.fixture
def broker() -> Iterator[Broker]:
    made = Broker()
    yield made
    made.close()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    if MOSQUITTO is None:
        pytest.skip("needs mosquitto: apt install mosquitto")
    made = Mosquitto(tmp_path)
    made.start()
    yield made
    made.stop(kill=True)


@pytest.fixture
def listens(mosquitto: Mosquitto) -> Iterator[Callable[..., Listener]]:
    made: list[Listener] = []

    def listen(**keys: Any) -> Listener:
        made.append(Listener(mosquitto.port, **keys))
        return made[-1]

    yield listen
    for each in made:
        each.close()


@pytest.fixture
def listener(listens: Callable[..., Listener]) -> Listener:
    return listens()
