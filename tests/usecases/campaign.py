"""Random lives of a virtual station: drivers, cars, faults, a moody CSMS, kills and stalls.

A life is a function of its seed. It ends with a rest: faults cleared, everybody gone, the
CSMS well again; then everything must add up (`accounting`).
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hal.api import FaultName
from hal.sim.hardware import SimError
from station.bench.fake_csms import Refusal
from station.bench.virtual import VirtualStation
from station.charging.transaction import TxPoint
from tests.usecases.accounting import (
    assert_dated_right,
    assert_energy_conserved,
    assert_in_order,
    register_wh,
)

CARDS = ("04A1B2C3", "04FFEE11")
STEPS = 40
WAITS_S = (0.0, 0.02, 0.5, 1.5, 3.0, 8.0, 20.0, 70.0, 400.0)
START_POINTS = tuple(point for point in TxPoint if point is not TxPoint.DATA_SIGNED)
STOP_POINTS = START_POINTS
FALSIFY_METERS = frozenset({FaultName.METER_SILENT, FaultName.CONTACTOR_WELDED})
"""With these, energy flows that no transaction can know of."""
REFUSED = {"idTokenInfo": {"status": "Invalid"}}
MOODS: tuple[tuple[str, Any], ...] = (
    ("TransactionEvent", Refusal("InternalError")),
    ("TransactionEvent", None),
    ("TransactionEvent", REFUSED),
    ("Authorize", None),
    ("Authorize", REFUSED),
    ("Authorize", Refusal("GenericError")),
    ("StatusNotification", None),
    ("BootNotification", None),
    ("Heartbeat", {"nonsense": True}),
)
QUESTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("GetTransactionStatus", {}),
    ("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"}),
    ("TriggerMessage", {"requestedMessage": "Heartbeat"}),
    ("TriggerMessage", {"requestedMessage": "BootNotification"}),
    ("TriggerMessage", {"requestedMessage": "MeterValues", "evse": {"id": 1}}),
    ("TriggerMessage", {"requestedMessage": "TransactionEvent", "evse": {"id": 1}}),
    ("TriggerMessage", {"requestedMessage": "StatusNotification", "evse": {"id": 1}}),
    ("Reset", {"type": "Sometime"}),
    ("NoSuchAction", {}),
)


@dataclass
class Life:
    """One station and what befalls it."""

    seed: int
    log: list[str] = field(default_factory=list)
    unattributed_wh: float = 1.0

    def __post_init__(self) -> None:
        self.rng = random.Random(f"campaign {self.seed}")
        choose = self.rng.choice
        options: dict[str, Any] = {
            "evses": choose((1, 2, 3)),
            "connectors": choose((1, 1, 2)),
            "cable": choose(("fixed", "socket")),
        }
        variables = {
            "TxCtrlr.TxStartPoint": self._points(START_POINTS),
            "TxCtrlr.TxStopPoint": self._points(STOP_POINTS),
            "TxCtrlr.StopTxOnEVSideDisconnect": choose(("true", "false")),
            "TxCtrlr.StopTxOnInvalidId": choose(("true", "false")),
            "TxCtrlr.EVConnectionTimeOut": choose(("10", "60")),
            "TxCtrlr.TxResumption": choose(("Resume", "End")),
            "AuthCtrlr.OfflineTxForUnknownIdEnabled": choose(("true", "false")),
            "AuthCtrlr.AuthorizeRemoteStart": choose(("true", "false")),
            "OCPPCommCtrlr.MessageTimeout[Default]": "5",
            "OCPPCommCtrlr.MessageAttempts[TransactionEvent]": choose(("1", "3")),
            "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]": choose(("0", "4")),
            "OCPPCommCtrlr.WebSocketPingInterval": "20",
            "OCPPCommCtrlr.RetryBackOffWaitMinimum": choose(("1", "5")),
            "OCPPCommCtrlr.RetryBackOffRandomRange": "2",
            "OCPPCommCtrlr.RetryBackOffRepeatTimes": "2",
            "SampledDataCtrlr.TxUpdatedInterval": choose(("0", "9", "60")),
            "SampledDataCtrlr.TxEndedInterval": choose(("0", "13")),
        }
        self.without_clock = self.rng.random() < 0.2
        if self.without_clock:  # and then no power cut: what was never dated stays so
            options["clock_error_s"] = -50 * 365.25 * 86400
        self.log.append(f"{options} {variables}")
        self.volatile = self.rng.random() < 0.15
        self._note_points(variables["TxCtrlr.TxStartPoint"])
        self.station = VirtualStation(seed=self.seed, variables=variables, **options)
        self.before, self.began = register_wh(self.station), self.station.utc

    def run(self) -> None:
        """Live, rest, and be held to account."""
        self.station.advance(self.rng.choice((0.0, 0.5, 2.0, 10.0)))
        for _ in range(STEPS):
            action = self.rng.choices(ACTIONS, WEIGHTS)[0]
            said = action(self, self.rng)
            if said:
                self.log.append(f"{self.station.reactor.at:.3f} {action.__name__} {said}")
            self.station.advance(self.rng.choice(WAITS_S) * self.rng.uniform(0.9, 1.1))
            self.station.assert_safe()
        self.log.append(f"{self.station.reactor.at:.3f} rest")
        self.rest()
        assert_in_order(self.station)
        assert_dated_right(self.station, self.began)
        assert_energy_conserved(self.station, self.before, self.unattributed_wh)

    def rest(self) -> None:
        """Everything is well again, everybody leaves, and time passes."""
        station = self.station
        station.backend.fail_with(None)
        station.backend.stall_until(0.0)
        station.csms.answers.clear()
        station.csms.go_online()
        self.heal()
        self.leave_bays()
        for evse, world in station.world.evses.items():
            if world.place.ev_side or world.place.station_side:
                station.sim.unplug(evse)
        station.advance(300)
        self.leave_bays()  # E03.FR.15: without a car, only this ends what stops with the bay
        for evse, world in station.world.evses.items():
            if world.place.station_side:  # a cable that waits for its owner (E09, E10)
                for card in CARDS:
                    station.sim.token(card, evse=evse)
                    station.advance(20)
                station.sim.button(evse, "stop")
                station.advance(20)
            if world.place.station_side and not world.place.leaving:
                station.sim.unplug(evse)
        station.advance(1200)

    def leave_bays(self) -> None:
        for evse in self.station.world.evses:
            self.station.sim.bay(evse, occupied=True)
            self.station.advance(1)
            self.station.sim.bay(evse, occupied=False)

    def heal(self) -> None:
        for evse, world in self.station.world.evses.items():
            for name in list(world.place.injected):
                self.station.sim.fault(evse, name, active=False)

    def evse(self) -> int:
        return self.rng.randint(1, len(self.station.world.evses))

    def call(self, action: str, payload: dict[str, Any]) -> str:
        if not self.station.csms.connected:
            return ""
        self.station.csms.send_call(action, payload)
        return f"{action} {payload}"

    def _points(self, points: tuple[TxPoint, ...]) -> str:
        count = self.rng.choice((1, 1, 1, 2, 3))
        return ",".join(sorted(self.rng.sample(points, count)))

    def _note_points(self, points: str) -> None:
        if TxPoint.ENERGY_TRANSFER in points:
            self.unattributed_wh = max(self.unattributed_wh, 60.0)


Rng = random.Random


def plug(life: Life, rng: Rng) -> str:
    fixed = life.station.world.evses[1].is_fixed
    side = "both" if fixed else rng.choice(("both", "both", "ev", "station"))
    connectors = len(life.station.description.evses[0].connectors)
    how = {
        "connector": rng.randint(1, connectors),
        "current_a": rng.choice((6, 16, 32)),
        "soc": rng.choice((20, 79.99, 99.99, 100)),
    }
    return _handled(lambda: life.station.sim.plug(life.evse(), side=side, **how), f"{side} {how}")


def unplug(life: Life, rng: Rng) -> str:
    side = rng.choice(("both", "ev", "station"))
    return _handled(lambda: life.station.sim.unplug(life.evse(), side=side), side)


def ev(life: Life, rng: Rng) -> str:
    state = rng.choice("BCD")
    return _handled(lambda: life.station.sim.ev(life.evse(), state), state)


def token(life: Life, rng: Rng) -> str:
    evse = rng.choice((None, life.evse()))
    card = rng.choice(CARDS)
    life.station.sim.token(card, evse=evse)
    return f"{card} at {evse}"


def button(life: Life, rng: Rng) -> str:
    evse, kind = life.evse(), rng.choice(("start", "stop", "stop", "emergency"))
    life.station.sim.button(evse, kind)
    return f"{kind} at {evse}"


def bay(life: Life, rng: Rng) -> str:
    evse, occupied = life.evse(), rng.choice((True, False))
    life.station.sim.bay(evse, occupied=occupied)
    return f"{evse} {occupied}"


def fault(life: Life, rng: Rng) -> str:
    evse, name = life.evse(), rng.choice(tuple(FaultName))
    if name in FALSIFY_METERS:
        life.unattributed_wh = float("inf")
    life.station.sim.fault(evse, name, active=True)
    return f"{name} at {evse}"


def heal(life: Life, rng: Rng) -> str:
    life.heal()
    return "all"


def remote_start(life: Life, rng: Rng) -> str:
    payload: dict[str, Any] = {
        "idToken": {"idToken": rng.choice(CARDS), "type": "ISO14443"},
        "remoteStartId": rng.randint(1, 1000),
    }
    if rng.random() < 0.8:
        payload["evseId"] = life.evse()
    return life.call("RequestStartTransaction", payload)


def remote_stop(life: Life, rng: Rng) -> str:
    running = life.station.station.transactions.all()
    if not running:
        return ""
    return life.call("RequestStopTransaction", {"transactionId": rng.choice(running).id})


def set_points(life: Life, rng: Rng) -> str:
    start = rng.choice((True, False))
    value = life._points(START_POINTS if start else STOP_POINTS)
    if start:
        life._note_points(value)
    data = {
        "component": {"name": "TxCtrlr"},
        "variable": {"name": "TxStartPoint" if start else "TxStopPoint"},
        "attributeValue": value,
    }
    return life.call("SetVariables", {"setVariableData": [data]})


def ask(life: Life, rng: Rng) -> str:
    """Something harmless; a message that is wrong in itself now and then."""
    action, payload = rng.choice(QUESTIONS)
    return life.call(action, payload)


def reset(life: Life, rng: Rng) -> str:
    if life.volatile:
        return ""
    payload: dict[str, Any] = {"type": rng.choice(("Immediate", "OnIdle"))}
    if rng.random() < 0.5:
        payload["evseId"] = life.evse()
    return life.call("Reset", payload)


def link(life: Life, rng: Rng) -> str:
    csms = life.station.csms
    what = rng.choice(("offline", "online", "online", "cut", "silent"))
    if what == "offline":
        csms.go_offline()
    elif what == "online":
        csms.go_online()
    elif what == "cut":
        csms.cut()
    else:
        csms.go_silent()
    return what


def mood(life: Life, rng: Rng) -> str:
    action, answer = rng.choice(MOODS)
    life.station.csms.answers[action] = answer
    return f"{action}: {answer}"


def cheer(life: Life, rng: Rng) -> str:
    life.station.csms.answers.clear()
    return "up"


def kill(life: Life, rng: Rng) -> str:
    if life.volatile:
        return ""
    after_s = rng.choice((0.1, 3.0, 60.0))
    power_cut = not life.without_clock and rng.random() < 0.3
    life.station.restart(after_s=after_s, power_cut=power_cut)
    return f"{after_s} s {power_cut}"


def stall(life: Life, rng: Rng) -> str:
    duration_s = rng.choice((0.3, 5.0, 15.0))
    life.station.backend.stall_until(life.station.reactor.at + duration_s)
    return f"{duration_s} s"


def fill_disk(life: Life, rng: Rng) -> str:
    """A full disk, in lives without a kill or reset: what is only in memory would be lost."""
    if not life.volatile:
        return ""
    full = rng.choice((True, False))
    life.station.backend.fail_with(OSError(28, "No space left on device") if full else None)
    return str(full)


def freeze(life: Life, rng: Rng) -> str:
    duration_s = rng.choice((0.2, 0.7, 3.0))
    life.station.reactor.freeze(duration_s)
    return f"{duration_s} s"


def _handled(act: Callable[[], None], said: str) -> str:
    try:
        act()
    except SimError:
        return ""
    return said


Action = Callable[[Life, Rng], str]
WEIGHTED: dict[Action, int] = {
    plug: 12,
    unplug: 7,
    ev: 4,
    token: 14,
    button: 3,
    bay: 4,
    fault: 3,
    heal: 3,
    remote_start: 4,
    remote_stop: 3,
    set_points: 3,
    reset: 2,
    ask: 4,
    link: 8,
    mood: 4,
    cheer: 4,
    kill: 5,
    stall: 3,
    fill_disk: 4,
    freeze: 2,
}
ACTIONS, WEIGHTS = tuple(WEIGHTED), tuple(WEIGHTED.values())
