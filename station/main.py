"""Wires one station: ports in, blocks in a fixed order; how it starts, ends, contains bugs."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from hal.api import Board
from station import first_start
from station.blocks.authorization import Authorization
from station.blocks.authorization_cache import AuthorizationCache
from station.blocks.availability import ConnectorStatuses
from station.blocks.boot import Boot
from station.blocks.certificate_renewal import CertificateRenewal
from station.blocks.certificates import Certificates
from station.blocks.change_availability import ChangeAvailability
from station.blocks.connection import Connection
from station.blocks.customer_information import CustomerInformation
from station.blocks.driver_answers import DriverAnswers
from station.blocks.heartbeat import Heartbeat
from station.blocks.inventory import Inventory
from station.blocks.local_list import LocalList
from station.blocks.logs import Logs
from station.blocks.metering import Metering
from station.blocks.monitoring import Monitoring
from station.blocks.payment import Payments
from station.blocks.remote_control import RemoteControl
from station.blocks.reports import Reports
from station.blocks.reset import Resets
from station.blocks.security_events import SecurityEvents
from station.blocks.token_readers import TokenReaders
from station.blocks.transactions import TransactionEvents
from station.blocks.variables import REPORTING_VALUE_SIZE, Variables
from station.charging.evses import Evse, Evses
from station.charging.hardware import Hardware, is_held_by_fault
from station.charging.personal import InUse
from station.charging.policy import ChargingVariables
from station.charging.queries import Queries
from station.charging.rows import Cause
from station.charging.transactions import Transactions
from station.clock import Clock
from station.clock_fixes import ClockFixes
from station.config import StationConfig
from station.context import Context, Identity
from station.control import SimControls, Snapshot
from station.csms.session import CsmsSession
from station.device_model import VARIABLES, DeviceModel, Notice
from station.diagnostics import StationLogs
from station.env import Env
from station.events import CsmsLost, EventBus, SecurityHappened
from station.life import PROCESS, Ending, LifeSigns, ProcessRow, boot_reason
from station.link import Link
from station.metrics import Metrics
from station.ocpp.messages.provisioning import BootReason
from station.ocpp.messages.transactions import Reason, TriggerReason
from station.ocpp.registration import Registration
from station.ports import KeyStore
from station.reactor import Reactor, log_failure
from station.records import StoreHealth
from station.snapshot import take_snapshot
from station.store.backend import Backend
from station.store.core_store import CoreStore
from station.store.outbox import Outbox
from station.transfers import Transfers

log = logging.getLogger(__name__)

VERSION = "0.1.0"
FAILURE_WINDOW_S = 600.0
"""A second failure of the same EVSE within this time ends the process."""
CONTAINED_S = 10.0
"""An EVSE whose turn failed stays open so long before it is trusted again."""
FAILED_BOOTS = 3
CLOSE_S = 5.0
"""Longest wait for the connection to close after the last answer."""


class Surroundings(Struct, frozen=True):
    """What differs between the real station and the simulator."""

    board: Board
    link: Link
    boot_id: str
    controls: SimControls | None = None


class Ports(Struct, frozen=True):
    """What the station is connected to."""

    board: Board
    link: Link
    backend: Backend
    keys: KeyStore
    transfers: Transfers
    watchdog_fired: bool = False
    """The service manager ended the last process because it did not answer."""
    on_notice: Callable[[Notice], Any] | None = None
    access: Callable[[bytes], Any] | None = None
    """Sets up APN and VPN as a network slot wants them, or raises; may block."""
    recent_log: Callable[[], Sequence[tuple[float, str]]] = tuple
    """The last log lines, redacted: POSIX time and text."""


class Contained(Struct):
    """Failures that were contained, by source."""

    count: int = 0
    last_at: dict[str, float] = field(default_factory=dict)


class Station:
    """One station: everything that decides, on one reactor."""

    def __init__(self, config: StationConfig, env: Env, ports: Ports, reactor: Reactor) -> None:
        self.config, self.env, self.ports, self.reactor = config, env, ports, reactor
        self.events = EventBus()
        self.clock = Clock(env, reactor)
        self.metrics = Metrics()
        self.store = CoreStore(reactor, ports.backend)
        self.store.on_latency = self.metrics.commit.add
        self.outbox = Outbox(self.store)
        self.variables = DeviceModel(self.store.table(VARIABLES))
        first_start.configure(self.variables, config.variables)
        first_start.preset(
            self.variables, config.presets, self.store.table(first_start.PRESET_MARKS)
        )
        self.contained = Contained()
        self.ending: Ending | None = None
        self.on_ended: Callable[[Ending], Any] = lambda _: None
        """Told, as the last thing, how the station has ended."""
        self._processes = self.store.table(PROCESS)
        self.boot_reason = self._begin_process()
        self.life_signs = LifeSigns(self.store, self.clock, env.boot_id)
        self.fixes = ClockFixes(self.store, self.events, self.clock, self.life_signs)
        self.session = self._build_session()
        self.context = self._build_charging()
        self._build_blocks()
        for notice in self.variables.load():
            self._notice(notice)
        reactor.on_failure = self._on_failure

    def start(self) -> None:
        """Begin to act; everything durable has been loaded."""
        self.reactor.post(self._start)

    def run(self) -> Ending:
        """Turn until the station has ended."""
        self.reactor.run()
        return self.ending or Ending.FAILED

    def stop(self) -> None:
        """End politely; from any thread or a signal handler. What runs is taken up again."""
        self.reactor.post(self.end, Ending.STOP, BootReason.LOCAL_RESET)

    def end(self, ending: Ending, intent: BootReason | None) -> None:
        """Commit why, then close everything in the order of architecture: nothing is lost."""
        if self.ending is not None:
            return
        self.ending = ending
        row = self._process_row()
        failures = row.failures + 1 if ending is Ending.FAILED else 0
        self._processes.put(ProcessRow(boot_id=self.env.boot_id, intent=intent, failures=failures))
        self.life_signs.note()
        self.store.after_commit(self._close_link)

    def snapshot(self) -> Snapshot:
        """The live state; from the core."""
        return take_snapshot(self)

    # -- building

    def _begin_process(self) -> BootReason:
        last = self._processes.get("process")
        reason = boot_reason(
            last,
            self.env.boot_id,
            watchdog=self.ports.watchdog_fired,
            forgetful=self.store.health is not StoreHealth.OK,
        )
        failures = last.failures if last is not None else 0
        self._processes.put(ProcessRow(boot_id=self.env.boot_id, failures=failures))
        self.store.commit()
        self.safe_mode = failures >= FAILED_BOOTS
        return reason

    def _process_row(self) -> ProcessRow:
        return self._processes.get("process") or ProcessRow(boot_id=self.env.boot_id)

    def _build_session(self) -> CsmsSession:
        session = CsmsSession(
            reactor=self.reactor,
            clock=self.clock,
            new_id=self.env.new_id,
            boot_id=self.env.boot_id,
            store=self.store,
            outbox=self.outbox,
            variables=self.variables,
            events=self.events,
            link=self.ports.link,
            metrics=self.metrics,
            fixes=self.fixes,
        )
        self.outbox.on_fetched = session.pump
        return session

    def _build_charging(self) -> Context:
        board = self.ports.board
        self.queries = Queries()
        charging = ChargingVariables(self.variables, board.description)
        self.evses = Evses(board, self.reactor, self.store, self.queries)
        power = self.boot_reason is BootReason.POWER_UP
        interrupted = Cause(
            trigger=TriggerReason.ABNORMAL_CONDITION,
            reason=Reason.POWER_LOSS if power else Reason.REBOOT,
        )
        self.transactions = Transactions(
            reactor=self.reactor,
            clock=self.clock,
            store=self.store,
            events=self.events,
            evses=self.evses,
            new_id=self.env.new_id,
            policy=charging.policy(self._is_accepted),
            signs=self.life_signs,
            interrupted=interrupted,
        )
        self.transactions.permission.held = is_held_by_fault
        self.hardware = Hardware(
            self.reactor, self.clock, self.events, self.evses, self.transactions.visits
        )
        station = self.config.station
        return Context(
            reactor=self.reactor,
            clock=self.clock,
            fixes=self.fixes,
            rng=self.env.rng,
            new_id=self.env.new_id,
            store=self.store,
            outbox=self.outbox,
            variables=self.variables,
            events=self.events,
            csms=self.session,
            board=board,
            evses=self.evses,
            transactions=self.transactions,
            queries=self.queries,
            charging=charging,
            hardware=self.hardware,
            identity=Identity(
                identity=station.identity,
                vendor=station.vendor,
                model=station.model,
                serial_number=self.config.serial_number,
                firmware_version=VERSION,
            ),
            lane=self.env.lane,
            keys=self.ports.keys,
            refresh=self._refresh,
        )

    def _is_accepted(self) -> bool:
        return self.session.registration is Registration.ACCEPTED

    def _build_blocks(self) -> None:
        """The order is the order in which they hear of events and answer questions."""
        context = self.context
        self.variables_block = Variables(context)
        self.reports = Reports(context, lambda: self.variables[REPORTING_VALUE_SIZE])
        self.security_events = SecurityEvents(context)
        self.boot = Boot(context, self.boot_reason)
        self.connector_statuses = ConnectorStatuses(context)
        self.inventory = Inventory(context, lambda: self.contained.count)
        self.change_availability = ChangeAvailability(context)
        self.heartbeat = Heartbeat(context)
        self.transaction_events = TransactionEvents(context)
        self.metering = Metering(context)
        self.local_list = LocalList(context)
        self.authorization_cache = AuthorizationCache(context)
        self.authorization = Authorization(context, self.config.charging.master_pass)
        self.token_readers = TokenReaders(context)
        self.driver_answers = DriverAnswers(context)
        self.payments = Payments(context)
        self.remote_control = RemoteControl(context)
        self.resets = Resets(context, lambda reason: self.end(Ending.RESTART, reason))
        self.queries.personal_data.append(
            InUse(self.transactions, [evse.id for evse in self.evses])
        )
        self.customer_information = CustomerInformation(context)
        self.monitoring = Monitoring(context)
        self.logs = Logs(context, self.ports.transfers, StationLogs(self))
        self.certificates = Certificates(context)
        self.certificate_renewal = CertificateRenewal(context)
        self.connection = Connection(context, self.ports.link, self.session, self.ports.access)

    # -- life

    def configure_connection(self) -> None:
        """Hand over what configuration or command line say of the CSMS."""
        network, simulated = self.config.network, self.config.sim is not None
        profile = network.security_profile
        if simulated and profile == 2 and self.certificate_renewal.station_certificate():
            profile = 3  # `joulepost sim --csms wss://…` has no option for it
        self.connection.configure(
            network.url, self.config.password.value, profile, first_only=simulated
        )

    def _start(self) -> None:
        self.configure_connection()
        self.resets.start()
        if self.safe_mode:
            log.error("three boots in a row have failed: safe mode, no EVSE offers energy")
            for evse in self.evses:
                evse.contained = True
        self.transactions.visits.start()
        self.hardware.start()
        self.metering.start()
        self.monitoring.start()
        again = self.boot_reason in (BootReason.REMOTE_RESET, BootReason.SCHEDULED_RESET)
        self.events.publish(SecurityHappened("ResetOrReboot" if again else "StartupOfTheDevice"))
        self.certificate_renewal.start()
        self.logs.start()
        self.connection.start()
        self.store.on_health(self._on_health)
        self.events.subscribe(CsmsLost, self._on_csms_lost)
        self.reactor.call_later(FAILURE_WINDOW_S, self._proven, source="main")
        self._started = True
        log.info("station %s started (%s)", self.context.identity.identity, self.boot_reason)

    def _proven(self) -> None:
        """It has lived for a while: failures before that say nothing about the next boot."""
        row = self._process_row()
        if row.failures and not self.safe_mode and self.ending is None:
            self._processes.put(replace(row, failures=0))

    def _refresh(self) -> None:
        self.evses.derive()
        self.hardware.refresh_status()
        self.transactions.look_again()

    def _close_link(self) -> None:
        if self.session.connected:
            self._closing = self.reactor.call_later(CLOSE_S, self._close_rest, source="main")
            self.connection.stop()
        else:
            self.connection.stop()
            self._close_rest()

    def _on_csms_lost(self, _: CsmsLost) -> None:
        if self.ending is not None:
            self.store.after_commit(self._close_rest)

    def _close_rest(self) -> None:
        if self._closed:
            return
        self._closed = True
        if not self.ports.board.stop():
            log.error("a contactor was not confirmed open")
        self.reactor.stop()
        self.on_ended(self.ending or Ending.FAILED)

    _started = _closed = False

    # -- containment

    def _on_failure(self, source: str, error: Exception) -> None:
        log_failure(source, error)
        self.contained.count += 1
        if not self._started:  # half a station would look alive
            self.end(Ending.FAILED, None)
            return
        if source != "again":
            derive_again = self.transactions.permission.derive_again
            self.reactor.post(derive_again, source="again", urgent=True)
        if source == "link":
            self.session.turn_failed()
        elif source.startswith("evse:") and source[5:].isdigit():
            evse = self.evses.find(int(source[5:]))
            if evse is not None and not self.safe_mode:
                evse.open_now()
                self.reactor.call_later(CONTAINED_S, self._release, evse, source="main")
        now = self.reactor.now()
        before = self.contained.last_at.get(source)
        self.contained.last_at[source] = now
        again = before is not None and now - before < FAILURE_WINDOW_S
        if again and source.startswith("evse:"):
            log.critical("%s failed twice within ten minutes; the process ends", source)
            self.end(Ending.FAILED, None)

    def _release(self, evse: Evse) -> None:
        """The rows are as they were before the failed turn: try again from there."""
        evse.contained = False
        self.hardware.reconsider(evse)

    def _on_health(self, health: StoreHealth) -> None:
        if health in (StoreHealth.VOLATILE, StoreHealth.REPLACED):
            log.error("the store is %s: %s", health.lower(), self.store.last_problem)
            self.events.publish(SecurityHappened("MemoryExhaustion"))
        else:
            log.warning("the store is %s", health.lower())

    def _notice(self, notice: Notice) -> None:
        if self.ports.on_notice is not None:
            self.ports.on_notice(notice)  # may refuse the start, and then says why itself
        log.warning("%s", notice)
