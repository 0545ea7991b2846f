"""A board on devices whose meter signs: on the meter's own thread, answered once, in time."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from hal import meter_signing
from hal.api import (
    BoardDescription,
    CableKind,
    ConnectorDescription,
    EvseDescription,
    MeterReading,
    SignedReading,
    SignMoment,
)
from hal.devices import EvseDevices
from hal.drivers import gpio_contactor, gpio_pilot
from hal.drivers.gpio_contactor import GpioContactor
from hal.drivers.gpio_pilot import GpioPilot
from hal.errors import HardwareFault
from hal.thread_board import ThreadBoard
from tests.unit.hal_fakes import FakeGpio

BEGIN = SignMoment.BEGIN
CABLE = ConnectorDescription(1, "cType2", CableKind.FIXED, has_lock=False)


class SlowMeter:
    """Signs when it is let; notes who asks it on which thread."""

    def __init__(self) -> None:
        self.may_sign = threading.Event()
        self.may_sign.set()
        self.error: Exception | None = None
        self.asked: list[tuple[SignMoment, str]] = []
        self.threads: set[int] = set()

    def read(self, at: float) -> MeterReading:
        self.threads.add(threading.get_ident())
        return MeterReading(1, at, 1234, 0.0, (0.0,) * 3, (230.0,) * 3)

    def sign(self, at: float, moment: SignMoment, identification: str) -> SignedReading:
        self.threads.add(threading.get_ident())
        self.asked.append((moment, identification))
        self.may_sign.wait(5)
        if self.error is not None:
            raise self.error
        return SignedReading(0, at, 1234, "the meter's bytes", "", "OCMF", "oca:base16:asn1:00")


class Rig:
    def __init__(self, *, signs: bool = True) -> None:
        gpio, self.meter = FakeGpio(), SlowMeter()
        gpio.follow[2] = (1, False)
        devices = EvseDevices(
            GpioContactor(gpio, gpio_contactor.Options(coil_pin=1, mirror_pin=2)),
            GpioPilot(gpio, gpio_pilot.Options(connected_pin=3, ready_pin=4, offer_pin=5)),
            meter=self.meter,
        )
        evse = EvseDescription(1, (CABLE,), max_current_a=16.0, phases=3, signs=signs)
        self.board = ThreadBoard(BoardDescription((evse,)), {1: devices}, time.monotonic)
        self.answers: list[SignedReading | None] = []
        self.board.start(lambda _: None)

    def ask(self, moment: SignMoment = BEGIN, who: str = "04A1") -> None:
        self.board.sign(1, moment, who, self.answers.append)

    def wait(self, holds: Callable[[], bool]) -> None:
        until = time.monotonic() + 5
        while not holds():
            assert time.monotonic() < until
            threading.Event().wait(0.005)


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.meter.may_sign.set()
    made.board.stop()


def test_the_meter_signs_on_its_own_thread_and_at_once(rig: Rig) -> None:
    rig.wait(lambda: rig.board.reading(1) is not None)
    began = time.monotonic()
    rig.ask()
    rig.wait(lambda: bool(rig.answers))
    assert time.monotonic() - began < 0.5, "it does not wait for the next reading"
    (signed,) = rig.answers
    assert signed is not None
    assert (signed.evse, signed.data) == (1, "the meter's bytes")
    assert rig.meter.asked == [(BEGIN, "04A1")]
    assert len(rig.meter.threads) == 1


def test_asking_does_not_wait(rig: Rig) -> None:
    rig.meter.may_sign.clear()
    began = time.monotonic()
    for moment in SignMoment:
        rig.ask(moment)
    assert time.monotonic() - began < 0.5
    assert rig.answers == []
    rig.meter.may_sign.set()
    rig.wait(lambda: len(rig.answers) == 3)
    assert [moment for moment, _ in rig.meter.asked] == [*SignMoment]


def test_a_meter_that_takes_too_long_is_given_up_and_answers_to_nobody(
    monkeypatch: pytest.MonkeyPatch, rig: Rig
) -> None:
    monkeypatch.setattr(meter_signing, "SIGNING_S", 0.05)
    rig.meter.may_sign.clear()
    rig.ask()
    rig.ask(SignMoment.UPDATE)
    rig.wait(lambda: rig.answers == [None, None])
    rig.meter.may_sign.set()
    monkeypatch.setattr(meter_signing, "SIGNING_S", 5.0)
    rig.ask(SignMoment.END)
    rig.wait(lambda: len(rig.answers) == 3)
    assert [moment for moment, _ in rig.meter.asked] == [BEGIN, SignMoment.END]
    assert rig.answers[2] is not None


def test_a_meter_that_fails_to_sign_is_still_read(rig: Rig) -> None:
    rig.meter.error = HardwareFault("ElectricalMeter", "busy")
    rig.ask()
    rig.wait(lambda: rig.answers == [None])
    before = rig.board.reading(1)
    rig.wait(lambda: rig.board.reading(1) != before)


def test_a_meter_that_does_not_sign_is_not_asked() -> None:
    rig = Rig(signs=False)
    try:
        rig.ask()
        assert rig.answers == [None]
        assert rig.meter.asked == []
    finally:
        rig.board.stop()
