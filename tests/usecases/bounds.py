"""What must stay within bounds, whatever happens: currents, rates, leftovers (I9 to I13)."""

from itertools import pairwise

from hal.payment import PaymentStage
from station.bench.virtual import VirtualStation
from station.blocks.security_events import CRITICAL
from station.store.units import to_sql_name
from tests.usecases.wire import Settings, Wire
from tests.usecases.witness import Witness

FAR = float("inf")
PASSING = (
    "grant",
    "transaction",
    "kept_lock",
    "reset",
    "inoperative",
    "ended_sample",
    "sample_series",
    "meter_session",
    "metered",
    "payment",
)
"""Tables that hold nothing when nobody charges and nothing waits."""


def assert_bounds(witness: Witness, wire: Wire, settings: Settings) -> None:
    assert_offers_within_limits(witness)
    assert_reconnects_slowly(witness, settings)
    assert_backlog_is_paced(witness, wire, settings)
    assert_nothing_is_left(witness.station)
    assert_security_is_told(witness.station)
    assert_payments_are_settled(witness.station)
    assert_no_secret(witness.station)


def assert_offers_within_limits(witness: Witness) -> None:
    """I9: never more than the board and the cable allow, never less than the least there is."""
    for description in witness.station.description.evses:
        for at, view in witness.views[description.id]:
            most_a = min(description.max_current_a, view.cable_a)
            fits = view.offer_a == 0.0 or description.min_current_a <= view.offer_a <= most_a
            assert fits, f"EVSE {description.id} offers {view.offer_a} A at {at:.3f}, not {most_a}"


def assert_reconnects_slowly(witness: Witness, settings: Settings) -> None:
    """I10: between two attempts of a process lies the shortest wait at least."""
    name = "OCPPCommCtrlr.RetryBackOffWaitMinimum"
    attempts = witness.station.csms.attempts
    for first, second in pairwise(attempts):
        if any(first <= death <= second for death in witness.deaths):
            continue
        least_s = min(int(value) for value in settings.could_be(name, first, second))
        assert second - first >= least_s - 0.001, f"dialled at {first:.3f} and at {second:.3f}"


def assert_backlog_is_paced(witness: Witness, wire: Wire, settings: Settings) -> None:
    """A backlog leaves at the configured rate, after a burst."""
    rates = {float(v) for v in settings.could_be("OCPPCommCtrlr.BacklogMessageRate", -FAR, FAR)}
    bursts = {int(v) for v in settings.could_be("OCPPCommCtrlr.BacklogBurst", -FAR, FAR)}
    if 0.0 in rates:
        return  # as fast as they are answered, at least for a while
    least_s, burst = 1.0 / max(rates), max(bursts)
    sent = [call.at for call in wire.calls("TransactionEvent") if call.payload["offline"]]
    for first, last in zip(sent, sent[burst:], strict=False):
        if not any(first <= death <= last for death in witness.deaths):
            assert last - first >= least_s - 0.01, f"{burst + 1} from {first:.3f} to {last:.3f}"


def assert_nothing_is_left(station: VirtualStation) -> None:
    """I11: nobody charges, so nothing is kept for anybody who charged."""
    tables = station.disk.tables  # type: ignore[attr-defined]
    left = {name: sorted(tables.get(to_sql_name(name), ())) for name in PASSING}
    assert not any(left.values()), {name: keys for name, keys in left.items() if keys}


def assert_security_is_told(station: VirtualStation) -> None:
    """I12: every critical event of the log was told; copies of it say the same."""
    told = {
        (event["type"], event.get("techInfo", ""))
        for event in station.csms.of("SecurityEventNotification")
    }
    for row in station.station.security_events.entries():
        if row.type in CRITICAL:
            assert (row.type, row.tech_info) in told, f"{row.type} of {row.at} was never told"


def assert_payments_are_settled(station: VirtualStation) -> None:
    """C03: whoever has paid gets energy or the money back, and the terminal knows which."""
    for book in station.world.terminals.values():
        for payment in book.payments:
            final = payment.stage in (PaymentStage.ENDED, PaymentStage.RELEASED)
            assert final, f"{payment.reference} at EVSE {payment.evse} is {payment.stage}"


def assert_no_secret(station: VirtualStation) -> None:
    """I13: the password is on no wire but in the header of the upgrade."""
    for at, way, text in station.csms.frames:
        assert station.password not in text, f"the password at {at} {way}"
