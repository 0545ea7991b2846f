"""A look at a meter: what is known now of an EVSE, and what a transaction tells of it."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from msgspec.structs import replace

from hal.api import MeterReading, Registers, minus
from station.blocks.metering.continuity import Continuity, MeteredRow
from station.blocks.metering.intervals import OF_TRANSACTION, Chain, Intervals
from station.blocks.metering.samples import Measurands, Sight, sampled_values
from station.blocks.metering.settings import WITHOUT_PHASES
from station.context import Context
from station.ocpp.messages.common import MeterValue, ReadingContext

MAIN = 0
"""The EVSE id of the station's connection to the grid (J01.FR.03)."""
STALE_S = 10.0
"""A meter that has said nothing believable for so long tells nothing of the present."""


class Looks:
    """Reads meters; keeps what makes their registers those of a transaction."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._continuity = Continuity(context.store)
        self._intervals = Intervals()
        self._ended: dict[int, tuple[str, int]] = {}
        """By EVSE the last transaction that ended, and what it took."""

    def places(self) -> Iterator[int]:
        """Whatever can be measured: the station's connection, if it has a meter, and each EVSE."""
        if self._context.board.description.main_meter is not None:
            yield MAIN
        for evse in self._context.evses:
            yield evse.id

    def measure(
        self,
        evse_id: int,
        measurands: Measurands,
        context: ReadingContext,
        at: datetime,
        chain: Chain | None = None,
    ) -> list[MeterValue]:
        """One element with everything that can be told; none if nothing can.

        J01.FR.05, J01.FR.06, J01.FR.17, J02.FR.02, J02.FR.18
        """
        row = self._context.transactions.on_evse(evse_id) if evse_id else None
        sight = self._sight(evse_id, chain, None if row is None else row.id)
        values = sampled_values(measurands, sight, context)
        return [MeterValue(timestamp=at, sampled_value=values)] if values else []

    def measure_end(
        self, transaction_id: str, evse_id: int, measurands: Measurands, at: datetime
    ) -> list[MeterValue]:
        """As `measure`; of a meter that says nothing any more, what its registers were."""
        sight = self._sight(evse_id, Chain.ENDED, transaction_id, stale_too=True)
        context = ReadingContext.TRANSACTION_END
        values = sampled_values(measurands, sight, context)
        if not values and sight.registers is None:
            return self.last_known(transaction_id, measurands, context)
        return [MeterValue(timestamp=at, sampled_value=values)] if values else []

    def last_known(
        self, transaction_id: str, measurands: Measurands, context: ReadingContext
    ) -> list[MeterValue]:
        """The registers as they were last told or kept, with the moment of that."""
        known = self._continuity.find(transaction_id)
        if known is None:
            return []
        sight = Sight(None, known.told, totals_only=True)
        values = sampled_values(measurands, sight, context)
        return [MeterValue(timestamp=self._dated(known), sampled_value=values)] if values else []

    def energy_wh(self, transaction_id: str, evse_id: int | None) -> int | None:
        """What a transaction has taken so far; None while its meter has told nothing."""
        known = self._continuity.find(transaction_id)
        if known is None or evse_id is None:
            return dict(self._ended.values()).get(transaction_id)
        reading = self._context.board.reading(evse_id)
        told = known.told if reading is None else self._told(transaction_id, evse_id, reading)
        return (told[0] or 0) - (known.begin[0] or 0)

    # -- what outlives the process

    def keep(
        self,
        id: str,
        evse_id: int,
        at: datetime,
        chain: Chain | None = None,
        *,
        anchored: bool = False,
    ) -> None:
        """Commit what is told of the registers, with the unit that tells it.

        *chain*: a sample of it is told, and what comes next in it is counted from now;
        *anchored*: also after a restart, as intervals are told of it.
        """
        reading = self._context.board.reading(evse_id)
        if reading is None:
            return
        if chain is not None:
            self._intervals.begin(evse_id, chain, reading.counted)
        told, before = self._told(id, evse_id, reading), self._continuity.find(id)
        anchors = {} if before is None else before.anchors
        if chain is not None and anchored:
            anchors = {**anchors, str(chain): told}
        self._continuity.keep(
            MeteredRow(
                transaction_id=id,
                at=at,
                doubt=self._context.fixes.doubt(),
                counted=reading.registers,
                told=told,
                begin=told if before is None else before.begin,
                anchors=anchors,
            )
        )

    def keep_if_moved(self, id: str, evse_id: int) -> None:
        reading, known = self._context.board.reading(evse_id), self._continuity.find(id)
        if reading is not None and (known is None or reading.registers != known.counted):
            self.keep(id, evse_id, self._context.clock.utc())

    def is_kept(self, transaction_id: str) -> bool:
        return self._continuity.find(transaction_id) is not None

    def forget(self, transaction_id: str, evse_id: int | None) -> None:
        """It has ended; what it took is known for a while."""
        taken_wh = self.energy_wh(transaction_id, evse_id)
        if taken_wh is not None and evse_id is not None:
            self._ended[evse_id] = transaction_id, taken_wh
        self._continuity.forget(transaction_id)

    # -- intervals

    def begin_chains(self, evse_id: int, chains: Sequence[Chain]) -> None:
        """What comes next in these is counted from now."""
        reading = self._context.board.reading(evse_id)
        if reading is not None:
            for chain in chains:
                self._intervals.begin(evse_id, chain, reading.counted)

    def begin_chain_once(self, evse_id: int, chain: Chain) -> None:
        """An interval that began before anybody looked counts from now."""
        reading = self._context.board.reading(evse_id)
        if reading is not None:
            self._intervals.since(evse_id, chain, reading.counted)

    def take_up_chains(self, transaction_id: str, evse_id: int) -> None:
        """After a restart, intervals go on from the last sample that was told before it."""
        known, reading = self._continuity.find(transaction_id), self._context.board.reading(evse_id)
        if known is None or reading is None:
            return
        shift = minus(self._told(transaction_id, evse_id, reading), reading.counted)
        for chain in OF_TRANSACTION:
            told = known.anchors.get(chain, known.told)
            self._intervals.begin(evse_id, chain, minus(told, shift))

    # -- looking

    def _sight(
        self,
        evse_id: int,
        chain: Chain | None,
        transaction_id: str | None,
        *,
        stale_too: bool = False,
    ) -> Sight:
        """*stale_too*: registers of a meter that has been silent for long are better than none."""
        reading = self._context.board.reading(evse_id)
        is_fresh = reading is not None and self._context.reactor.now() - reading.at <= STALE_S
        registers: Registers | None = None
        moved: Registers = ()
        if reading is not None and (is_fresh or stale_too):
            registers, moved = self._registers(evse_id, chain, transaction_id, reading)
        sight = Sight(
            reading if is_fresh else None,
            registers,
            moved,
            totals_only=self._context.variables[WITHOUT_PHASES],
        )
        return self._main(sight) if evse_id == MAIN else self._offered(sight, evse_id)

    def _registers(
        self, evse_id: int, chain: Chain | None, transaction_id: str | None, reading: MeterReading
    ) -> tuple[Registers, Registers]:
        """As they are told, and what they have counted in this chain."""
        registers = reading.registers
        if transaction_id is not None:
            registers = self._told(transaction_id, evse_id, reading)
        if chain is None:
            return registers, tuple(None if each is None else 0 for each in registers)
        return registers, self._intervals.since(evse_id, chain, reading.counted)

    def _main(self, sight: Sight) -> Sight:
        """What the main meter says, never a sum of the others (J01.FR.04)."""
        main = self._context.board.description.main_meter
        return replace(sight, phases=0 if main is None else main.phases, is_main=True)

    def _offered(self, sight: Sight, evse_id: int) -> Sight:
        evse = self._context.evses.get(evse_id)
        limit_a, phases = evse.report.limit_a, evse.wanted.phases
        measured_v = () if sight.reading is None else sight.reading.voltage_v[:phases]
        voltage_v = sum(measured_v) or evse.description.nominal_voltage_v * phases
        return replace(
            sight,
            phases=evse.description.phases,
            offered_a=limit_a,
            offered_w=limit_a * voltage_v,
        )

    def _told(self, transaction_id: str, evse_id: int, reading: MeterReading) -> Registers:
        max_power_w = self._context.evses.get(evse_id).description.max_power_w
        return self._continuity.told(transaction_id, reading, max_power_w)

    def _dated(self, row: MeteredRow) -> datetime:
        return self._context.fixes.moment(row.at, row.doubt)
