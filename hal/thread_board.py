"""The board on real devices: a thin thread that looks, steps and drives, EVSE by EVSE.

The thread needs nothing of the core and touches no bus. A device of one EVSE
that fails opens that EVSE and no other, and is tried again at every look.
"""

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from functools import partial

from msgspec.structs import replace

from hal.api import (
    FAULTS,
    BoardDescription,
    Change,
    CommandKind,
    CommandResult,
    EvseDescription,
    EvseReport,
    EvseSetpoint,
    Fault,
    FaultName,
    MeterReading,
    PilotState,
    Power,
    SignedReading,
    SignMoment,
)
from hal.board import EvseUnit, Outputs, Step
from hal.devices import EvseDevices, Meter, PaymentTerminal, SigningMeter, TokenReader
from hal.interlock import NEVER, NO_TIME, Inputs
from hal.make_safe import OutputsFile
from hal.meter_signing import SigningSlot
from hal.meters import METER_PERIOD_S, MeterSlot
from hal.payment import PaymentNews
from hal.pollers import READER_PERIOD_S, Poller, ReaderPoller
from hal.terminals import TERMINAL_PERIOD_S, TerminalPoller

log = logging.getLogger(__name__)

BUSY_S = 0.02
IDLE_S = 0.1
CONFIRM_S = 1.0
DRAWS_A = 0.5
"""Less than this in every phase is not charging."""

BOARD_SILENT = FAULTS[FaultName.BOARD_SILENT]
DEVICE_SILENT = FAULTS[FaultName.DEVICE_SILENT]
METER_SILENT = FAULTS[FaultName.METER_SILENT]


class DeviceUnit(EvseUnit):
    """One EVSE on real devices; belongs to the board's thread."""

    def __init__(
        self, description: EvseDescription, devices: EvseDevices, monotonic: Callable[[], float]
    ) -> None:
        super().__init__(description)
        self.devices = devices
        self.meter = None
        if devices.meter is not None:
            self.meter = MeterSlot(
                description.id,
                devices.meter,
                monotonic,
                max_power_w=description.max_power_w,
                description=description.meter,
            )
        self.polled_at = NEVER
        """When all devices were last looked at and driven without a failure."""
        self.next_due = NO_TIME
        self.seen = Inputs(PilotState.A, mirror_closed=False)
        self._driven: Outputs | None = None
        self.error: Exception | None = None
        """What the devices failed with at the last look."""

    def poll(self, now: float) -> EvseReport:
        """Look once, and drive the devices as it demands."""
        error: Exception | None = None
        try:
            self.seen = self._sense(now)
            self.keep_lock(self.seen)
        except Exception as failure:  # noqa: BLE001 - whatever a driver raises, this EVSE opens
            error = failure
        taken = self._decide(now, silent=error is not None)
        try:
            self._drive(taken.outputs)
        except Exception as failure:  # noqa: BLE001 - as above
            error = failure
            taken = self._decide(now, silent=True)
        if error is not None:
            self.open()
        else:
            self.polled_at = now
        self._note(error)
        return taken.report

    def open(self) -> bool:
        """Open the contactor, come what may; True when the mirror contact confirms it."""
        self._driven = None
        try:
            self.devices.contactor.switch(closed=False)
            return not self.devices.contactor.is_closed()
        except Exception as error:  # noqa: BLE001 - there is nothing else that could open it
            self._note(error)
            return False

    def _decide(self, now: float, *, silent: bool) -> Step:
        if silent:  # of the mirror contact nothing is known: do not call it welded
            self.seen = replace(
                self.seen,
                mirror_closed=self.state.since.commanded,
                faults=frozenset({BOARD_SILENT}),
            )
        taken = self.look(now, self.seen)
        self.next_due = min(taken.lease_due, taken.rest_due)
        return taken

    def _drive(self, outputs: Outputs) -> None:
        if outputs == self._driven:
            return
        devices, driven = self.devices, self._driven
        devices.contactor.switch(closed=outputs.close)
        if driven is None or outputs.offer_a != driven.offer_a:
            devices.pilot.offer(outputs.offer_a)
        if devices.lock is not None and (driven is None or outputs.lock is not driven.lock):
            devices.lock.move(locked=outputs.lock)
        self._driven = outputs

    def _note(self, error: Exception | None) -> None:
        if error is not None and self.error is None:
            log.error("EVSE %d opens: %s", self.description.id, error)
        elif error is None and self.error is not None:
            log.warning("EVSE %d: its devices answer again", self.description.id)
        self.error = error

    @property
    def is_busy(self) -> bool:
        return (
            self.seen.pilot is not PilotState.A
            or self.seen.mirror_closed
            or self.state.since.commanded
            or self.setpoint.power is not Power.OPEN_NOW
        )

    @property
    def is_open(self) -> bool:
        """The last look found the contactor open, and its coil is off."""
        return self.error is None and not (self.seen.mirror_closed or self.state.since.commanded)

    def _sense(self, now: float) -> Inputs:
        devices, evse = self.devices, self.description
        pilot = devices.pilot.read()
        mirror_closed = devices.contactor.is_closed()
        cable_max_a = None if devices.proximity is None else devices.proximity.cable_max_a()
        in_socket = cable_max_a is not None if devices.proximity is not None else None
        connected = pilot in (PilotState.B, PilotState.C, PilotState.D)
        plugged = connected if in_socket is None else in_socket
        faults: frozenset[Fault] = frozenset().union(*(s.faults() for s in devices.sensors))
        bay_occupied, more = self._bay()
        current_a = None
        if self.meter is not None:
            current_a = self.meter.current_a(now)
            if self.meter.is_silent(now):
                more |= {METER_SILENT}
        return Inputs(
            pilot=pilot,
            mirror_closed=mirror_closed,
            faults=faults | more,
            drawing=None if current_a is None else current_a >= DRAWS_A,
            plugged=plugged,
            connector=evse.connectors[0].id if plugged else None,
            cable_max_a=cable_max_a,
            locked=None if devices.lock is None else devices.lock.is_locked(),
            bay_occupied=bay_occupied,
            min_current_a=evse.min_current_a,
            ventilated=evse.allows_ventilation,
        )

    def _bay(self) -> tuple[bool | None, frozenset[Fault]]:
        if self.devices.bay is None:
            return None, frozenset()
        try:
            return self.devices.bay.is_occupied(), frozenset()
        except Exception:  # noqa: BLE001 - reported as a fault; it endangers nobody
            return self.seen.bay_occupied, frozenset({DEVICE_SILENT})


class ThreadBoard:
    """Implements hal.api.Board; its methods may be called from any thread and do not wait."""

    def __init__(
        self,
        description: BoardDescription,
        devices: Mapping[int, EvseDevices],
        monotonic: Callable[[], float],
        *,
        readers: Mapping[str, TokenReader] | None = None,
        main_meter: Meter | None = None,
        outputs: OutputsFile | None = None,
        heartbeat: Callable[[], None] | None = None,
        terminals: Mapping[str, PaymentTerminal] | None = None,
    ) -> None:
        self.description = description
        self._monotonic = monotonic
        self._terminals = {
            where.id: TerminalPoller(where, terminals[where.id], monotonic, self._report)
            for where in description.terminals
            if terminals is not None
        }
        self._readers = readers or {}
        self._main_meter = self._main_slot(main_meter)
        self._outputs = outputs
        self._heartbeat = heartbeat
        self.units = {
            evse.id: DeviceUnit(evse, devices[evse.id], monotonic) for evse in description.evses
        }
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._awake = threading.Event()
        self._stopping = False
        self._alive_at = monotonic()
        self._on_change: Callable[[Change], None] = _nobody
        self._thread = threading.Thread(target=self._run, name="board", daemon=True)
        self._pollers: list[Poller] = []
        self._meters = self._meter_pollers()
        self._signers = self._signing_slots()

    def start(self, on_change: Callable[[Change], None]) -> None:
        self._on_change = on_change
        if self._outputs is not None:
            self._outputs.write()
        self._pollers = [*self._meters.values(), *self._reader_pollers()]
        for id, terminal in self._terminals.items():
            self._pollers.append(Poller(f"terminal {id}", TERMINAL_PERIOD_S, terminal.poll))
        self._thread.start()
        for poller in self._pollers:
            poller.start()

    def apply(self, setpoint: EvseSetpoint) -> None:
        self._post(lambda: self.units[setpoint.evse].apply(setpoint))

    def renew(self, evse: int, permit_until: float) -> None:
        # Through the same queue as apply, so that neither overtakes the other; no need to wake.
        self._jobs.put(lambda: self.units[evse].renew(permit_until))

    def polled_at(self, evse: int) -> float:
        return self.units[evse].polled_at

    def alive_at(self) -> float:
        return self._alive_at

    def reading(self, evse: int) -> MeterReading | None:
        meter = self.units[evse].meter if evse else self._main_meter
        return None if meter is None else meter.reading

    def sign(
        self,
        evse: int,
        moment: SignMoment,
        identification: str,
        on_result: Callable[[SignedReading | None], None],
    ) -> None:
        signer = self._signers.get(evse)
        if signer is None:
            on_result(None)
        else:
            signer.ask(moment, identification, on_result)

    def command(
        self,
        kind: CommandKind,
        evse: int,
        connector: int | None,  # noqa: ARG002 - an EVSE on devices has one connector
        on_result: Callable[[CommandResult], None],
    ) -> None:
        unit = self.units[evse]
        self._post(lambda: unit.command(kind, unit.seen, self._monotonic(), on_result))

    def show_payable(self, terminal: str, evses: tuple[int, ...]) -> None:
        self._terminals[terminal].show(evses)

    def tell_payment(self, news: PaymentNews, on_result: Callable[[bool], None]) -> None:
        self._terminals[news.terminal].tell(news, on_result)

    def stop(self) -> bool:
        """Open every contactor and stop; True when all are confirmed open within 1 s."""
        for poller in self._pollers:
            poller.stop()
        self._stopping = True
        self._awake.set()
        if self._thread.is_alive():
            self._thread.join(CONFIRM_S)
        # The thread has opened them; if it hangs or has never run, we do.
        opened = [unit.open() for unit in self.units.values()]
        return all(opened)

    def _report(self, change: Change) -> None:
        self._on_change(change)

    def _post(self, job: Callable[[], None]) -> None:
        self._jobs.put(job)
        self._awake.set()

    def _run(self) -> None:
        while not self._stopping:
            self._awake.clear()
            self._do_jobs()
            now = self._alive_at = self._monotonic()
            for unit in self.units.values():
                self._poll(unit, now)
            if self._heartbeat is not None:
                self._beat(self._heartbeat)
            self._awake.wait(self._pause())
        self._open_all()

    def _do_jobs(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            try:
                job()
            except Exception:
                log.exception("a command to the board failed")

    def _poll(self, unit: DeviceUnit, now: float) -> None:
        try:
            news = unit.news(unit.poll(now))
        except Exception:
            log.exception("the control law of EVSE %d failed: it opens", unit.description.id)
            unit.open()
            return
        if news is not None:
            self._on_change(news)

    def _beat(self, heartbeat: Callable[[], None]) -> None:
        try:
            heartbeat()
        except Exception as error:  # noqa: BLE001 - without a beat the monostable opens for us
            log.error("heartbeat: %s", error)

    def _pause(self) -> float:
        units = self.units.values()
        poll_s = BUSY_S if any(unit.is_busy for unit in units) else IDLE_S
        due = min(unit.next_due for unit in units)
        return max(0.0, min(poll_s, due - self._monotonic()))

    def _open_all(self) -> None:
        until = self._monotonic() + CONFIRM_S / 2
        for unit in self.units.values():
            unit.apply(replace(unit.setpoint, power=Power.OPEN_NOW, permit_until=NEVER))
        while True:
            now = self._monotonic()
            for unit in self.units.values():
                self._poll(unit, now)
            if now >= until or all(unit.is_open for unit in self.units.values()):
                break
            self._awake.wait(BUSY_S)
            self._awake.clear()
        for unit in self.units.values():
            unit.fail_pulses()

    def _meter_pollers(self) -> dict[int, Poller]:
        meters = {unit.description.id: unit.meter for unit in self.units.values()}
        return {
            evse: Poller(f"meter {evse}", METER_PERIOD_S, partial(self._poll_meter, evse, meter))
            for evse, meter in {0: self._main_meter, **meters}.items()
            if meter is not None
        }

    def _signing_slots(self) -> dict[int, SigningSlot]:
        slots: dict[int, SigningSlot] = {}
        for evse, unit in self.units.items():
            meter = unit.devices.meter
            if unit.description.signs and isinstance(meter, SigningMeter):
                wake = self._meters[evse].wake
                slots[evse] = SigningSlot(evse, meter, self._monotonic, wake)
        return slots

    def _poll_meter(self, evse: int, meter: MeterSlot) -> None:
        signer = self._signers.get(evse)
        if signer is not None:
            signer.poll()
        meter.poll()

    def _main_slot(self, meter: Meter | None) -> MeterSlot | None:
        described = self.description.main_meter
        if meter is None or described is None:
            return None
        return MeterSlot(
            0,
            meter,
            self._monotonic,
            max_power_w=described.max_power_w,
            description=described.meter,
        )

    def _reader_pollers(self) -> list[Poller]:
        pollers = []
        for where in self.description.readers:
            if where.id in self._readers:
                reader = self._readers[where.id]
                watched = ReaderPoller(where, reader, self._monotonic, self._on_change)
                name = f"reader {where.id}"
                pollers.append(Poller(name, READER_PERIOD_S, watched.poll, watched.watch))
        return pollers


def _nobody(_: Change) -> None:
    return
