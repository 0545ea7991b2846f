"""Payment terminals: on a bus, in a board file, and simulated."""

import threading
from pathlib import Path

import pytest

from hal.api import BoardDescription, CardDeclined, CardPresented, Change
from hal.build import build_board, read_board
from hal.devices import Card
from hal.errors import HardwareFault
from hal.gpio import Gpio
from hal.options import DriverOptions
from hal.payment import PaymentNews, PaymentStage, TerminalDescription
from hal.pollers import Poller
from hal.registry import DRIVERS, Driver
from hal.sim.board import sim_board_description
from hal.sim.hardware import SimError, SimHardware
from hal.sim.world import World
from hal.terminals import TerminalPoller
from tests.unit.hal_fakes import FakeGpio, SimBench, VirtualTime

DEAD = HardwareFault("PaymentTerminal", "no answer")


def news(stage: PaymentStage = PaymentStage.STARTED, reference: str = "r-1") -> PaymentNews:
    return PaymentNews("till", reference, stage, 1, energy_wh=4200, duration_s=60)


class Till:
    """A terminal on a bus that dies when it is told to."""

    def __init__(self) -> None:
        self.cards: list[Card] = []
        self.shown: list[tuple[int, ...]] = []
        self.told: list[PaymentNews] = []
        self.is_dead = False

    def read(self) -> Card | None:
        self._answer()
        return self.cards.pop(0) if self.cards else None

    def show(self, evses: tuple[int, ...]) -> None:
        self._answer()
        self.shown.append(evses)

    def tell(self, news: PaymentNews) -> None:
        self._answer()
        self.told.append(news)

    def _answer(self) -> None:
        if self.is_dead:
            raise DEAD


class Polled:
    def __init__(self, evse: int | None = None) -> None:
        self.till, self.heard, self.results = Till(), list[Change](), list[bool]()
        where = TerminalDescription("till", evse)
        self.poller = TerminalPoller(where, self.till, VirtualTime(7.0).monotonic, self.hear)

    def hear(self, change: Change) -> None:
        self.heard.append(change)


# -- on a bus


def test_a_card_belongs_to_the_evse_that_the_driver_chose_or_to_that_of_the_terminal() -> None:
    for evse, chosen, expected in ((None, 2, 2), (1, None, 1), (1, 2, 1)):
        polled = Polled(evse)
        polled.till.cards.append(Card("r-1", chosen))
        polled.poller.poll()
        polled.poller.poll()
        assert polled.heard == [CardPresented(7.0, "till", expected, "r-1")]


def test_a_card_that_is_refused_is_told_as_such() -> None:
    polled = Polled()
    polled.till.cards.append(Card("r-1", declined=True))
    polled.poller.poll()
    assert polled.heard == [CardDeclined(7.0, "till", None, "r-1")]


@pytest.mark.parametrize("card", [Card("r-1"), Card("", 1), Card("r" * 65, 1)])
def test_what_a_terminal_must_not_say_is_an_error_of_its_driver(card: Card) -> None:
    polled = Polled()
    polled.till.cards.append(card)
    with pytest.raises(ValueError, match=r"^it (took|gave) a"):
        polled.poller.poll()
    assert polled.heard == []


def test_the_terminal_is_shown_what_can_be_paid_for_once_and_when_it_changes() -> None:
    polled = Polled()
    for evses in ((1, 2), (1, 2), (2,), (2,)):
        polled.poller.show(evses)
        polled.poller.poll()
    assert polled.till.shown == [(1, 2), (2,)]


def test_news_that_a_terminal_does_not_take_come_back() -> None:
    polled = Polled()
    polled.poller.show((1,))
    polled.poller.poll()
    polled.till.is_dead = True
    for stage in (PaymentStage.STARTED, PaymentStage.ENDED):
        polled.poller.tell(news(stage), polled.results.append)
    with pytest.raises(HardwareFault):
        polled.poller.poll()
    assert polled.results == [False, False]
    polled.till.is_dead = False
    polled.poller.tell(news(PaymentStage.ENDED), polled.results.append)
    polled.poller.poll()
    assert polled.results == [False, False, True]
    assert polled.till.told == [news(PaymentStage.ENDED)]
    assert polled.till.shown == [(1,), (1,)], "it may have forgotten"


def test_a_terminal_without_a_driver_that_works_holds_up_nobody() -> None:
    """Its poller goes on, and what waited is told when it answers again."""
    polled, over = Polled(), threading.Event()
    polled.till.is_dead = True
    told: list[bool] = []

    def answer(taken: bool) -> None:
        told.append(taken)
        if not taken:
            polled.till.is_dead = False
            polled.poller.tell(news(), answer)
        else:
            over.set()

    polled.poller.tell(news(), answer)
    poller = Poller("terminal till", 0.0, polled.poller.poll)
    poller.start()
    assert over.wait(5.0)
    poller.stop()
    assert told == [False, True]


# -- in a board file

BOARD = """
model = "test"
opens_without_us = "RCD"
[[evse]]
max_current_a = 16
min_current_a = 16
phases = 3
[[evse.connector]]
type = "cType2"
cable = "fixed"
[evse.contactor]
driver = "gpio_contactor"
coil_pin = 17
mirror_pin = 27
[evse.pilot]
driver = "gpio_pilot"
connected_pin = 22
ready_pin = 23
offer_pin = 24
[[terminal]]
id = "till"
evse = 1
[terminal.driver]
driver = "till"
port = "/dev/ttyUSB0"
"""


class SerialTill(Till):
    class Options(DriverOptions, frozen=True, kw_only=True):
        port: str

    def __init__(self, gpio: Gpio, options: "SerialTill.Options") -> None:
        super().__init__()
        self.port = options.port
        self.cards.append(Card("r-1"))


def test_a_driver_for_a_terminal_is_a_line_in_the_registry(tmp_path: Path) -> None:
    path = tmp_path / "board.toml"
    path.write_text(BOARD)
    drivers = {**DRIVERS, "till": Driver("terminal", SerialTill.Options, SerialTill)}
    plan = read_board(path, drivers)
    assert plan.description.terminals == (TerminalDescription("till", 1),)
    board = build_board(plan, VirtualTime().monotonic, gpio=FakeGpio())
    card, taken, results = threading.Event(), threading.Event(), list[bool]()

    def hear(change: Change) -> None:
        if change == CardPresented(0.0, "till", 1, "r-1"):
            card.set()

    def on_result(told: bool) -> None:
        results.append(told)
        taken.set()

    board.start(hear)
    board.show_payable("till", (1,))
    board.tell_payment(news(), on_result)
    assert card.wait(5.0)
    assert taken.wait(5.0)
    board.stop()
    assert results == [True]


# -- simulated


@pytest.fixture
def bench() -> SimBench:
    return SimBench()


def pay(bench: SimBench, evse: int = 1) -> CardPresented:
    bench.board.show_payable("terminal", (1, 2))
    bench.hardware.card(evse)
    card = bench.changes[-1]
    assert isinstance(card, CardPresented)
    return card


def test_each_simulated_payment_has_a_reference_of_its_own_and_reaches_the_back_office() -> None:
    bench, started = SimBench(), list[int]()
    bench.hardware = SimHardware(bench.board, bench.time.monotonic, started.append)
    cards = [pay(bench, evse) for evse in (1, 2, 1)]
    assert len({card.reference for card in cards}) == 3
    assert [card.evse for card in cards] == started == [1, 2, 1]
    assert "terminal-1" not in repr(cards)


def test_a_declined_card_is_reported_and_nobody_is_asked_for_money() -> None:
    bench, started = SimBench(), list[int]()
    bench.hardware = SimHardware(bench.board, bench.time.monotonic, started.append)
    bench.board.show_payable("terminal", (2,))
    bench.hardware.card(2, declined=True)
    assert bench.changes[-1] == CardDeclined(0.0, "terminal", 2)
    assert started == bench.world.terminals["terminal"].payments == []


def test_the_terminal_takes_no_card_where_nothing_can_be_paid_for(bench: SimBench) -> None:
    with pytest.raises(SimError, match="takes no card for EVSE 1 now"):
        bench.hardware.card(1)
    bench.board.show_payable("terminal", (2,))
    with pytest.raises(SimError, match="takes no card for EVSE 1 now"):
        bench.hardware.card(1)
    with pytest.raises(SimError, match="there is no EVSE 9"):
        bench.hardware.card(9)
    with pytest.raises(SimError, match="which EVSE is paid for must be said"):
        bench.hardware.card()


def test_a_board_without_a_terminal_takes_no_card() -> None:
    plain = sim_board_description(evses=1)
    bench = SimBench(BoardDescription(evses=plain.evses, readers=plain.readers))
    with pytest.raises(SimError, match="no payment terminal serves EVSE 1"):
        bench.hardware.card()


def test_what_the_terminal_is_told_twice_counts_once(bench: SimBench) -> None:
    reference = pay(bench).reference
    results: list[bool] = []
    book = bench.world.terminals["terminal"]
    ended = PaymentNews("terminal", reference, PaymentStage.ENDED, 1, 4200, 60)
    book.reachable = False
    bench.board.tell_payment(ended, results.append)
    book.reachable = True
    bench.board.tell_payment(ended, results.append)
    late = PaymentNews("terminal", reference, PaymentStage.STARTED, 1)
    bench.board.tell_payment(late, results.append)
    assert results == [False, True, True]
    payment = book.payments[0]
    assert (payment.stage, payment.energy_wh, payment.told) == ("ended", 4200, 2)


def test_a_payment_that_is_not_noted_is_reported_again_by_the_next_process() -> None:
    bench = SimBench()
    first, second = pay(bench, 1), pay(bench, 2)
    noted = PaymentNews("terminal", first.reference, PaymentStage.NOTED, 1)
    bench.board.tell_payment(noted, lambda _: None)
    again = SimBench(bench.description, world=bench.world)
    cards = [change for change in again.changes if isinstance(change, CardPresented)]
    assert [card.reference for card in cards] == [second.reference]


def test_the_book_of_the_terminal_outlives_the_process(tmp_path: Path) -> None:
    path, description = tmp_path / "world.json", sim_board_description()
    world = World.load(path, description, 0.0, boot_id="boot")
    bench = SimBench(description, world=world)
    first = pay(bench).reference
    again = World.load(path, description, 5.0, boot_id="boot")
    assert again.note == ""
    assert [each.reference for each in again.terminals["terminal"].payments] == [first]
    assert again.terminals["terminal"].payable == ()
    assert pay(SimBench(description, world=again)).reference != first


def test_a_world_of_before_there_were_terminals_still_loads(tmp_path: Path) -> None:
    path, description = tmp_path / "world.json", sim_board_description()
    World.load(path, description, 0.0, boot_id="boot")
    path.write_text(path.read_text().replace('"terminals"', '"unknown"'))
    world = World.load(path, description, 1.0, boot_id="boot")
    assert world.note == ""
    assert world.terminals["terminal"].payments == []
