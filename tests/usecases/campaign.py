"""Random lives of a virtual station: drivers, cars, faults, a moody CSMS, kills and stalls.

A life is a function of its seed. It ends with a rest: faults cleared, everybody gone, the
CSMS well again; then everything must add up (`Stage.assert_everything`).
"""

import random
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from hal.api import FaultName
from hal.payment import TerminalDescription
from hal.sim.board import sim_board_description
from hal.sim.meter import Glitch
from station.bench.fake_csms import Refusal
from station.charging.transaction import TxPoint
from tests.usecases.persona import KNOWN, MASTER_GROUP, MOODS, REFUSALS
from tests.usecases.stage import Stage

STEPS = 40
WAITS_S = (0.0, 0.02, 0.5, 1.5, 3.0, 8.0, 20.0, 70.0, 400.0)
DEAD_CLOCKS = True
FIFTY_YEARS_S = 50 * 365.25 * 86400
START_POINTS = tuple(point for point in TxPoint if point is not TxPoint.DATA_SIGNED)
STOP_POINTS = START_POINTS
TOKENS = tuple(KNOWN)[:-1]
"""Without the guest, who comes when everything is over."""
SETTINGS: dict[str, tuple[str, ...]] = {
    "TxCtrlr.EVConnectionTimeOut": ("10", "60"),
    "TxCtrlr.StopTxOnEVSideDisconnect": ("true", "false"),
    "TxCtrlr.StopTxOnInvalidId": ("true", "false"),
    "TxCtrlr.MaxEnergyOnInvalidId": ("0", "0", "500", "3000"),
    "TxCtrlr.TxBeforeAcceptedEnabled": ("true", "true", "false"),
    "TxCtrlr.TxResumption": ("Resume", "Resume", "End"),
    "TxCtrlr.TxResumptionTimeout": ("0", "0", "30"),
    "AuthCtrlr.OfflineTxForUnknownIdEnabled": ("true", "false"),
    "AuthCtrlr.LocalAuthorizeOffline": ("true", "true", "false"),
    "AuthCtrlr.LocalPreAuthorize": ("true", "false"),
    "AuthCtrlr.DisableRemoteAuthorization": ("false", "false", "true"),
    "AuthCtrlr.MasterPassGroupId": ("", MASTER_GROUP),
    "AuthCtrlr.AuthorizeRemoteStart": ("true", "false"),
    "AuthCacheCtrlr.Enabled": ("true", "true", "false"),
    "AuthCacheCtrlr.DisablePostAuthorize": ("false", "true"),
    "LocalAuthListCtrlr.Enabled": ("true", "true", "false"),
    "LocalAuthListCtrlr.DisablePostAuthorize": ("false", "true"),
    "OCPPCommCtrlr.MessageAttempts[TransactionEvent]": ("1", "3"),
    "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]": ("0", "4"),
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": ("1", "5"),
    "OCPPCommCtrlr.OfflineThreshold": ("0", "60"),
    "OCPPCommCtrlr.BacklogMessageRate": ("0", "2", "20"),
    "OCPPCommCtrlr.BacklogBurst": ("1", "20"),
    "SampledDataCtrlr.TxUpdatedInterval": ("0", "9", "60"),
    "SampledDataCtrlr.TxEndedInterval": ("0", "13"),
    "AlignedDataCtrlr.Interval": ("0", "60", "900"),
    "AlignedDataCtrlr.TxEndedInterval": ("0", "60"),
    "AlignedDataCtrlr.SendDuringIdle": ("true", "false"),
}
"""What an installer may have chosen, and what the CSMS changes in mid-life."""
LASTING_GLITCHES = (Glitch.NAN, Glitch.FROZEN)
"""Others that last are taken for another meter, and then its register counts."""
CROWDED = {
    "OCPPCommCtrlr.QueueMaxMessages": "100",
    "SampledDataCtrlr.TxUpdatedInterval": "9",
    "AlignedDataCtrlr.Interval": "60",
}
OTHER_MOODS: tuple[tuple[str, Any], ...] = (
    ("StatusNotification", None),
    ("StatusNotification", Refusal("InternalError")),
    ("BootNotification", None),
    ("SecurityEventNotification", None),
    ("MeterValues", Refusal("GenericError")),
    ("NotifyReport", None),
    ("Heartbeat", {"nonsense": True}),
)
QUESTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("GetTransactionStatus", {}),
    ("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"}),
    ("TriggerMessage", {"requestedMessage": "Heartbeat"}),
    ("TriggerMessage", {"requestedMessage": "BootNotification"}),
    ("TriggerMessage", {"requestedMessage": "MeterValues", "evse": {"id": 1}}),
    ("TriggerMessage", {"requestedMessage": "TransactionEvent", "evse": {"id": 1}}),
    ("TriggerMessage", {"requestedMessage": "TransactionEvent"}),
    ("TriggerMessage", {"requestedMessage": "StatusNotification", "evse": {"id": 1}}),
    ("Reset", {"type": "Sometime"}),
    ("NoSuchAction", {}),
)

Rng = random.Random


class Life(Stage):
    """One station and what befalls it."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(f"campaign {seed}")
        self.log: list[str] = []
        self.waits_s = WAITS_S
        options: dict[str, Any] = {
            "evses": rng.choice((1, 2, 3)),
            "connectors": rng.choice((1, 1, 2)),
            "cable": rng.choice(("fixed", "socket")),
            "master_pass": rng.choice(("stop-all", "choose")),
            "terminal": rng.random() < 0.3,
            "signing": rng.random() < 0.2,
        }
        presets = {name: rng.choice(values) for name, values in SETTINGS.items()}
        presets["TxCtrlr.TxStartPoint"] = some_points(rng, START_POINTS)
        presets["TxCtrlr.TxStopPoint"] = some_points(rng, STOP_POINTS)
        options["clock_error_s"] = rng.choice((0.0, 0.0, 0.0, 0.0, -FIFTY_YEARS_S))
        self.volatile = rng.random() < 0.15
        if rng.random() < 0.1:  # a small queue, much to tell, and nobody to hear it for long
            presets |= CROWDED
            self.waits_s = (*WAITS_S, 1200.0, 2400.0)
        self.log.append(f"{options} {presets}")
        if options.pop("terminal"):
            board = sim_board_description(
                options["evses"], options["connectors"], options["cable"], signs=options["signing"]
            )
            terminal = TerminalDescription("terminal", None)
            options["description"] = replace(board, terminals=(terminal,))
        super().__init__(presets, options, seed)

    def run(self) -> None:
        """Live, rest, and be held to account."""
        self.advance(self.rng.choice((0.0, 0.5, 2.0, 10.0)))
        for _ in range(STEPS):
            action = self.rng.choices(ACTIONS, WEIGHTS)[0]
            at, said = self.station.reactor.at, action(self, self.rng)
            if said:
                self.log.append(f"{at:.3f} {action.__name__} {said}")
            self.advance(self.rng.choice(self.waits_s) * self.rng.uniform(0.9, 1.1))
        self.log.append(f"{self.station.reactor.at:.3f} rest")
        self.rest()
        self.charge_once_more()
        self.assert_everything()

    def evse(self) -> int:
        """Any EVSE, but rather one where something is going on."""
        busy = [evse for evse, world in self.station.world.evses.items() if world.connected]
        if busy and self.rng.random() < 0.5:
            return self.rng.choice(busy)
        return self.rng.randint(1, len(self.station.world.evses))


def some_points(rng: Rng, points: tuple[TxPoint, ...]) -> str:
    return ",".join(sorted(rng.sample(points, rng.choice((1, 1, 1, 2, 3)))))


# -- drivers and cars


def plug(life: Life, rng: Rng) -> str:
    fixed = life.station.world.evses[1].is_fixed
    evse, connectors = life.evse(), len(life.station.description.evses[0].connectors)
    how = {
        "connector": rng.randint(1, connectors),
        "side": "both" if fixed else rng.choice(("both", "both", "ev", "station")),
        "current_a": rng.choice((6, 16, 32)),
        "soc": rng.choice((20, 79.99, 99.99, 100)),
    }
    return f"{evse} {how}" if life.plug(evse, **how) else ""


def unplug(life: Life, rng: Rng) -> str:
    evse, side = life.evse(), rng.choice(("both", "ev", "station"))
    return f"{evse} {side}" if life.unplug(evse, side) else ""


def ev(life: Life, rng: Rng) -> str:
    evse, state = life.evse(), rng.choice("BCD")
    return f"{evse} {state}" if life.ev(evse, state) else ""


def token(life: Life, rng: Rng) -> str:
    shown, evse = rng.choice(TOKENS), rng.choice((None, life.evse()))
    shown = rng.choice((shown, shown, shown.lower()))  # another reader writes it so
    life.token(shown, evse)
    return f"{shown} at {evse}"


def token_again(life: Life, rng: Rng) -> str:
    """Whoever was there before, at the same reader: stops, or begins anew."""
    shown = [act for act in life.witness.acts if act.kind == "token"]
    if not shown:
        return ""
    last = rng.choice(shown[-3:])
    life.token(last.token, last.evse)
    return f"{last.token} at {last.evse}"


def career_of_a_token(life: Life, rng: Rng) -> str:
    """What is known of one token changes, and then it is shown."""
    shown, evse = rng.choice(TOKENS), life.evse()
    done = []
    for _ in range(rng.randint(2, 4)):
        what = rng.choice(("list", "unlist", "clear", "mood", "cheer", "show", "show"))
        done.append(what)
        if what == "list":
            status = rng.choice(("Accepted", *REFUSALS))
            life.send_list("Differential", {shown: {**KNOWN[shown], "status": status}})
        elif what == "unlist":
            life.send_list("Differential", {shown: None})
        elif what == "clear":
            life.call("ClearCache", {})
        elif what == "mood":
            life.persona.moods["Authorize"] = rng.choice(MOODS)
        elif what == "cheer":
            life.persona.cheer_up()
        else:
            life.token(shown, evse)
        life.advance(rng.choice((0.1, 2.0, 8.0)))
    life.token(shown, evse)
    return f"{shown} at {evse}: {' '.join(done)}"


def button(life: Life, rng: Rng) -> str:
    evse, kind = life.evse(), rng.choice(("start", "stop", "stop", "emergency"))
    life.button(evse, kind)
    return f"{kind} at {evse}"


def bay(life: Life, rng: Rng) -> str:
    evse, occupied = life.evse(), rng.choice((True, False))
    life.bay(evse, occupied=occupied)
    return f"{evse} {occupied}"


def fault(life: Life, rng: Rng) -> str:
    evse, name = life.evse(), rng.choice(tuple(FaultName))
    life.fault(evse, name)
    return f"{name} at {evse}"


def meter(life: Life, rng: Rng) -> str:
    evse, glitch = life.evse(), rng.choice([glitch.value for glitch in Glitch])
    longest_s = 200.0 if glitch in LASTING_GLITCHES else 15.0
    for_s = rng.choice((0.5, 5.0, longest_s))
    life.meter(evse, glitch, for_s)
    return f"{glitch} at {evse} for {for_s} s"


def card(life: Life, rng: Rng) -> str:
    evse = life.evse()
    return f"at {evse}" if life.card(evse) else ""


def heal(life: Life, rng: Rng) -> str:
    life.heal()
    return "all"


# -- the CSMS


def remote_start(life: Life, rng: Rng) -> str:
    shown = rng.choice(TOKENS)
    evse = life.evse() if rng.random() < 0.8 else None
    return f"{shown} at {evse}" if life.request_start(shown, evse) else ""


def remote_stop(life: Life, rng: Rng) -> str:
    running = life.station.station.transactions.all()
    if not running:
        return ""
    stopped = rng.choice(running).id
    return stopped if life.call("RequestStopTransaction", {"transactionId": stopped}) else ""


def set_points(life: Life, rng: Rng) -> str:
    name = rng.choice(("TxCtrlr.TxStartPoint", "TxCtrlr.TxStopPoint"))
    value = some_points(rng, START_POINTS)
    return f"{name} {value}" if life.set(name, value) else ""


def set_variable(life: Life, rng: Rng) -> str:
    name = rng.choice(tuple(SETTINGS))
    value = rng.choice(SETTINGS[name])
    return f"{name} {value}" if life.set(name, value) else ""


def ask(life: Life, rng: Rng) -> str:
    """Something harmless; a message that is wrong in itself now and then."""
    action, payload = rng.choice(QUESTIONS)
    return f"{action} {payload}" if life.call(action, payload) else ""


def ask_about(life: Life, rng: Rng) -> str:
    """E14, of a transaction that runs or ran."""
    names = [event["transactionInfo"]["transactionId"] for event in life.station.csms.events()]
    if not names:
        return ""
    asked = {"transactionId": rng.choice(names[-30:])}
    return "" if not life.call("GetTransactionStatus", asked) else str(asked)


def send_list(life: Life, rng: Rng) -> str:
    update = rng.choice(("Full", "Differential"))
    entries: dict[str, dict[str, Any] | None] = {}
    for each in rng.sample(TOKENS, rng.randint(0, 4)):
        status = rng.choice(("Accepted", "Accepted", *REFUSALS))
        entries[each] = {**KNOWN[each], "status": status}
        if update == "Differential" and rng.random() < 0.3:
            entries[each] = None
    return f"{update} {entries}" if life.send_list(update, entries) else ""


def clear_cache(life: Life, rng: Rng) -> str:
    return "all" if life.call("ClearCache", {}) else ""


def availability(life: Life, rng: Rng) -> str:
    evse, operative = rng.choice((None, life.evse())), rng.random() < 0.6
    return f"{evse} {operative}" if life.change_availability(evse, operative=operative) else ""


def reset(life: Life, rng: Rng) -> str:
    if life.volatile:
        return ""
    payload: dict[str, Any] = {"type": rng.choice(("Immediate", "OnIdle"))}
    if rng.random() < 0.5:
        payload["evseId"] = life.evse()
    return f"{payload}" if life.call("Reset", payload) else ""


def mood(life: Life, rng: Rng) -> str:
    """Of the CSMS, towards tokens and transactions."""
    action, mood = rng.choice(("Authorize", "TransactionEvent")), rng.choice((*MOODS, "refuses"))
    life.persona.moods[action] = mood
    return f"{action}: {mood}"


def other_mood(life: Life, rng: Rng) -> str:
    action, answer = rng.choice(OTHER_MOODS)
    life.station.csms.answers[action] = answer
    return f"{action}: {answer}"


def boot_status(life: Life, rng: Rng) -> str:
    csms = life.station.csms
    csms.boot_status = rng.choice(("Accepted", "Pending", "Rejected"))
    csms.interval_s = rng.choice((5, 60))
    return csms.boot_status


def cheer(life: Life, rng: Rng) -> str:
    life.persona.cheer_up()
    for action, _ in OTHER_MOODS:
        life.station.csms.answers.pop(action, None)
    life.station.csms.boot_status, life.station.csms.interval_s = "Accepted", 86400
    return "up"


# -- troubles


def link(life: Life, rng: Rng) -> str:
    what = rng.choice(("offline", "online", "online", "cut", "silent"))
    life.link(what)
    return what


def kill(life: Life, rng: Rng) -> str:
    if life.volatile:
        return ""
    if rng.random() < 0.3:  # and what happens just before is not durable
        life.stall(8.0)
        rng.choice((plug, unplug, token, token_again, ev, bay))(life, rng)
        life.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
        life.advance(rng.uniform(0.1, 3.0))
    after_s = rng.choice((0.1, 3.0, 60.0))
    power_cut = rng.random() < 0.3
    if power_cut and DEAD_CLOCKS:
        life.station.clock_error_s = rng.choice((0.0, -FIFTY_YEARS_S))
    power_cut = power_cut and (DEAD_CLOCKS or not life.station.clock_error_s)
    life.kill(after_s, power_cut=power_cut)
    return f"{after_s} s {power_cut}"


def stall(life: Life, rng: Rng) -> str:
    duration_s = rng.choice((0.3, 5.0, 15.0))
    life.stall(duration_s)
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
    life.freeze(duration_s)
    return f"{duration_s} s"


Action = Callable[[Life, Rng], str]
WEIGHTED: dict[Action, int] = {
    plug: 12,
    unplug: 7,
    ev: 4,
    token: 10,
    token_again: 6,
    career_of_a_token: 4,
    button: 3,
    bay: 4,
    fault: 3,
    heal: 3,
    meter: 2,
    card: 3,
    remote_start: 4,
    remote_stop: 3,
    set_points: 3,
    set_variable: 5,
    send_list: 3,
    clear_cache: 2,
    availability: 3,
    reset: 2,
    ask: 4,
    ask_about: 2,
    link: 8,
    mood: 6,
    other_mood: 3,
    boot_status: 1,
    cheer: 5,
    kill: 5,
    stall: 3,
    fill_disk: 4,
    freeze: 2,
}
ACTIONS, WEIGHTS = tuple(WEIGHTED), tuple(WEIGHTED.values())
