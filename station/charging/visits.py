"""The EV comes, goes, or does not come in time; what that means to who is authorised."""

from msgspec.structs import replace

from station.charging.endings import Endings
from station.charging.evses import Evse, Evses
from station.charging.floating import Floating
from station.charging.grants import NOBODY, Grants
from station.charging.ledger import Ledger
from station.charging.policy import Policy
from station.charging.progress import Progress
from station.charging.resumption import Resumption
from station.charging.rows import Cause, GrantRow
from station.charging.transaction import TxPoint, ends
from station.ocpp.messages.transactions import Reason, TriggerReason

NOT_SEEN_WAIT_S = 5.0
"""For how long a time-out that passed while nobody ran waits for the board's first report."""


class Visits:
    """Follows the reports of the board; then `Progress` takes the step that follows."""

    def __init__(
        self,
        *,
        evses: Evses,
        grants: Grants,
        ledger: Ledger,
        policy: Policy,
        progress: Progress,
        floating: Floating,
        endings: Endings,
        resumption: Resumption,
    ) -> None:
        self._evses, self._grants, self._ledger, self._policy = evses, grants, ledger, policy
        self._progress, self._floating, self._endings = progress, floating, endings
        self._resumption = resumption
        grants.on_timeout = self._connection_timeout

    def start(self) -> None:
        """The process has begun; what has an EVSE waits until its hardware is seen."""
        row = self._ledger.on_evse(None)
        if row is not None and not self._resumption.goes_on():
            self._floating.finish(row, self._resumption.interrupted)

    def evse_changed(self, evse: Evse, cause: Cause | None = None) -> None:
        """The board reported, or time made a fact of it: see what follows.

        *cause* is a fault that was just raised: forced if it ends a transaction, else it suspends.
        """
        if not evse.report.plugged:
            self._cable_gone(evse)
        was, connected = self._ledger.before(evse), evse.is_connected
        if connected and not was.connected:
            self._floating.bind(evse)
            self._grants.disarm(self._grants.of(evse.id))
            self._admit(evse)
        row = self._ledger.on_evse(evse.id)
        if cause is not None and cause.forced and row is not None and row.stop is None:
            self._progress.end(evse, row, cause)
            return
        if was.connected and not connected:
            self._ledger.forget_signed(evse.id)
            if self._lost_ev(evse):
                return
        self._progress.evaluate(evse, cause)

    def may_begin(self, evse: Evse) -> None:
        """The CSMS has accepted the station, or the EVSE is in service again: it may begin."""
        if self._ledger.waiting(evse).connected:
            self._admit(evse)
        self._progress.evaluate(evse, None)

    def reconsider(self, evse: Evse, cause: Cause | None) -> None:
        """A turn of this EVSE was undone: whatever holds now counts as new."""
        self._ledger.forget_idle(evse)
        self.evse_changed(evse, cause)

    def first_seen(self, evse: Evse) -> None:
        """The board's first report since the process began: go on with what ran, or end it."""
        row = self._ledger.on_evse(evse.id)
        if row is not None and row.stop is not None:
            self._progress.pending.wait_again(row)
        elif row is not None and self._resumption.goes_on():
            self._progress.resume(evse, row, self._resumption.interrupted)
        elif row is not None:
            self._progress.end(evse, row, self._resumption.interrupted)

    def _cable_gone(self, evse: Evse) -> None:
        """It is kept for nobody; and who left it locked has to come back in time after all."""
        if self._grants.kept_lock(evse.id) is not None:
            self._grants.release_lock(evse.id)
        grant = self._grants.of(evse.id)
        if grant is not None and grant.untimed and not evse.is_connected:
            self._grants.count_from_now(grant)

    def _admit(self, evse: Evse) -> None:
        """Where nobody needs authorisation, whoever plugs in has it (AuthCtrlr.Enabled)."""
        begins = self._ledger.on_evse(evse.id) is None
        waits = begins and not self._policy.may_begin()
        if (
            not self._policy.authorization_needed()
            and self._grants.is_open_to_anyone(evse.id)
            and not waits
        ):
            self._grants.new(NOBODY, evse_id=evse.id)

    def _lost_ev(self, evse: Evse) -> bool:
        """E09, E10: the EV end is out; True when the transaction has been dealt with."""
        grant, row = self._grants.of(evse.id), self._ledger.on_evse(evse.id)
        if grant is None or row is None:
            if grant is not None and grant.token == NOBODY:
                self._grants.drop(grant)
            elif grant is not None:
                self._grants.count_from_now(grant)
            return False
        stops = self._policy.stop_on_ev_side_disconnect()
        if stops or ends(row.facts, self._ledger.facts(evse), self._policy.stop_points()):
            if evse.report.plugged and not self._policy.unlock_on_ev_side_disconnect():
                self._progress.keep_lock(evse, row)  # E09.FR.02, E09.FR.03, E10.FR.01
        if stops:  # E09.FR.01
            self._grants.drop(grant)
            cause = Cause(
                trigger=TriggerReason.EV_COMMUNICATION_LOST, reason=Reason.EV_DISCONNECTED
            )
            self._progress.evaluate(evse, cause)
            return True
        if evse.report.plugged:  # E10.FR.01: the cable stays locked, however long it takes
            self._grants.untime(grant)
        else:  # E10.FR.02: a fixed cable must come back in time
            self._grants.count_from_now(grant)
        return False

    def _connection_timeout(self, grant: GrantRow) -> None:
        if grant.evse_id is not None:
            evse = self._evses.get(grant.evse_id)
            if not evse.seen:  # the process has just begun: the board knows best
                self._grants.arm_in(grant, NOT_SEEN_WAIT_S)
                return
            if evse.is_connected:
                return
        cause = Cause(trigger=TriggerReason.EV_CONNECT_TIMEOUT, reason=Reason.TIMEOUT)
        if TxPoint.PARKING_BAY_OCCUPANCY not in self._policy.stop_points():
            # E03.FR.05, E03.FR.15, F02.FR.07, F02.FR.08
            cause = replace(cause, forced=True)
        self._endings.withdraw(grant, cause)
