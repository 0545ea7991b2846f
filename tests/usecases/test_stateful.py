"""Any short life of a station with two EVSEs, so that hypothesis finds the shortest that fails.

The campaign lives longer and stranger lives; what it finds can be written down here as steps.
JOULEPOST_STATEFUL=1000 tries as many.
"""

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from hal.api import FaultName
from station.charging.transaction import TxPoint
from tests.usecases.persona import KNOWN, MOODS, REFUSALS
from tests.usecases.stage import Stage

EXAMPLES = int(os.environ.get("JOULEPOST_STATEFUL", "40"))
POINTS = sorted(point for point in TxPoint if point is not TxPoint.DATA_SIGNED)
evses = st.sampled_from((1, 2))
tokens = st.sampled_from(tuple(KNOWN)[:-1])
booleans = st.sampled_from(("true", "false"))
points = st.lists(st.sampled_from(POINTS), min_size=1, max_size=2, unique=True).map(
    lambda chosen: ",".join(sorted(chosen))
)


class Lives(RuleBasedStateMachine):
    """Each rule is something that somebody does; the judgement comes when all is over."""

    def __init__(self) -> None:
        super().__init__()
        self.stage: Stage | None = None

    @initialize(
        cable=st.sampled_from(("fixed", "socket")),
        start=points,
        stop=points,
        unknown=booleans,
        disconnect=booleans,
        invalid=booleans,
        resumption=st.sampled_from(("Resume", "End")),
    )
    def begin(
        self,
        cable: str,
        start: str,
        stop: str,
        unknown: str,
        disconnect: str,
        invalid: str,
        resumption: str,
    ) -> None:
        presets = {
            "TxCtrlr.TxStartPoint": start,
            "TxCtrlr.TxStopPoint": stop,
            "TxCtrlr.StopTxOnEVSideDisconnect": disconnect,
            "TxCtrlr.StopTxOnInvalidId": invalid,
            "TxCtrlr.TxResumption": resumption,
            "AuthCtrlr.OfflineTxForUnknownIdEnabled": unknown,
            "AlignedDataCtrlr.Interval": "0",
        }
        self.stage = Stage(presets, {"evses": 2, "cable": cable})
        self.stage.advance(3)

    @property
    def here(self) -> Stage:
        assert self.stage is not None
        return self.stage

    # -- people

    @rule(evse=evses, soc=st.sampled_from((20, 99.99)))
    def plug(self, evse: int, soc: float) -> None:
        self.here.plug(evse, soc=soc)
        self.here.advance(2)

    @rule(evse=evses, side=st.sampled_from(("both", "ev", "station")))
    def unplug(self, evse: int, side: str) -> None:
        self.here.unplug(evse, side)
        self.here.advance(1)

    @rule(token=tokens, evse=st.sampled_from((None, 1, 2)))
    def show(self, token: str, evse: int | None) -> None:
        self.here.token(token, evse)
        self.here.advance(0.5)

    @rule(evse=evses, kind=st.sampled_from(("start", "stop")))
    def press(self, evse: int, kind: str) -> None:
        self.here.button(evse, kind)

    @rule(evse=evses, occupied=st.booleans())
    def park(self, evse: int, occupied: bool) -> None:
        self.here.bay(evse, occupied=occupied)
        self.here.advance(1)

    @rule(evse=evses, state=st.sampled_from("BC"))
    def car(self, evse: int, state: str) -> None:
        self.here.ev(evse, state)

    @rule(duration_s=st.sampled_from((0.05, 2.0, 7.0, 30.0, 90.0)))
    def wait(self, duration_s: float) -> None:
        self.here.advance(duration_s)

    # -- the CSMS

    @rule(token=tokens, evse=st.sampled_from((None, 1, 2)))
    def start_from_afar(self, token: str, evse: int | None) -> None:
        self.here.request_start(token, evse)
        self.here.advance(0.1)

    @rule()
    def stop_from_afar(self) -> None:
        for row in self.here.station.station.transactions.all()[:1]:
            self.here.call("RequestStopTransaction", {"transactionId": row.id})
        self.here.advance(0.1)

    @rule(action=st.sampled_from(("Authorize", "TransactionEvent")), mood=st.sampled_from(MOODS))
    def mood(self, action: str, mood: str) -> None:
        self.here.persona.moods[action] = mood

    @rule(token=tokens, status=st.sampled_from(("Accepted", *REFUSALS)))
    def list_token(self, token: str, status: str) -> None:
        self.here.send_list("Differential", {token: {**KNOWN[token], "status": status}})
        self.here.advance(0.1)

    @rule(kind=st.sampled_from(("Immediate", "OnIdle")), evse=st.sampled_from((None, 1)))
    def reset(self, kind: str, evse: int | None) -> None:
        self.here.call("Reset", {"type": kind} | ({} if evse is None else {"evseId": evse}))
        self.here.advance(0.1)

    # -- troubles

    @rule(what=st.sampled_from(("offline", "online", "cut", "silent")))
    def link(self, what: str) -> None:
        self.here.link(what)
        self.here.advance(1)

    @rule(after_s=st.sampled_from((0.1, 30.0)), power_cut=st.booleans())
    def kill(self, after_s: float, power_cut: bool) -> None:
        self.here.kill(after_s, power_cut=power_cut)

    @rule(duration_s=st.sampled_from((0.7, 3.0)))
    def hang(self, duration_s: float) -> None:
        self.here.freeze(duration_s)

    @rule(evse=evses, name=st.sampled_from((FaultName.OVER_TEMPERATURE, FaultName.GROUND_FAULT)))
    def fault(self, evse: int, name: FaultName) -> None:
        self.here.fault(evse, name)
        self.here.advance(0.3)

    @rule()
    def heal(self) -> None:
        self.here.heal()

    def teardown(self) -> None:
        if self.stage is not None:
            self.stage.rest()
            self.stage.charge_once_more()
            self.stage.assert_everything()


TestLives = Lives.TestCase
"""I1 to I14, as `Stage.assert_everything` has them."""
TestLives.settings = settings(
    max_examples=EXAMPLES,
    derandomize=True,  # the suite is the same on every machine; random lives are the campaign's
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
