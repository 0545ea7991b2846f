"""One station as a process: threads, files, signals and the real clock around `main.Station`."""

import gc
import logging
import os
import random
import secrets
import signal
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hal.api import BoardDescription
from station.config import ConfigError, StationConfig
from station.control import Snapshot
from station.device_model import Notice, Problem, Source
from station.env import Env
from station.io import logs
from station.io.csms_link import ThreadLink
from station.io.keys import FileKeys
from station.io.state_dir import DATABASE, KEYS, lock_state_dir
from station.io.transfer import FileTransfers, Targets
from station.io.watchdog import Watchdog
from station.io.worker import ThreadLanes
from station.life import Ending
from station.main import Ports, Station, Surroundings
from station.reactor import Reactor
from station.store.database import Database
from station.store.thread_store import ThreadStore

if TYPE_CHECKING:
    from hal.build import BoardPlan
    from hal.sim.terminal import BackOffice

log = logging.getLogger(__name__)

KERNEL_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
RUN_DIR = Path("/run/joulepost")
LAST_END = RUN_DIR / "last_end"
"""What the service manager said of the last end ($SERVICE_RESULT), written by ExecStopPost."""
PUBLISH_S = 0.05
"""The live state for the web is at most so old."""
AFTER_BOOT_S = 0.3
"""What a boot does not need (web server, garbage freeze) begins so long after the start."""
STOP_S = 5.0


def run_station(config: StationConfig, back_office: "BackOffice | None" = None) -> Ending:
    """Run until the station ends; raises ConfigError for what cannot be used.

    *back_office* stands behind the simulated payment terminal.
    """
    state_dir = Path(config.station.state_dir)
    os.umask(0o077)  # what is kept holds passwords and tokens: it is for this user alone
    with ExitStack() as stack:
        lock_state_dir(state_dir, stack)
        sink = logs.configure(
            os.environ,
            sys.stderr,
            level=logging.getLevelName(config.logging.level.upper()),
            frames=config.logging.frames,
        )
        stack.callback(sink.stop, 1.0)
        return Process(config, state_dir, back_office, sink.recent).run()


class Process:
    """Builds the ports, runs the station, and takes everything down again."""

    def __init__(
        self,
        config: StationConfig,
        state_dir: Path,
        back_office: "BackOffice | None" = None,
        recent_log: Callable[[], Sequence[tuple[float, str]]] = tuple,
    ) -> None:
        self._config, self._state_dir, self._back_office = config, state_dir, back_office
        self._reactor = Reactor(time.monotonic)
        self._lanes = ThreadLanes(self._reactor.post)
        self._watchdog = Watchdog(os.environ)
        around = self._surroundings()
        self._around = around
        database = Database(state_dir / DATABASE)
        backend = self._backend = ThreadStore(database, self._reactor.post, time.monotonic)
        env = Env(
            monotonic=time.monotonic,
            utc=lambda: datetime.now(UTC),
            rng=random.Random(self._seed()),
            new_id=_new_uuid,
            boot_id=around.boot_id,
            lane=self._lanes,
        )
        ports = Ports(
            board=around.board,
            link=around.link,
            backend=backend,
            keys=FileKeys(state_dir / KEYS),
            watchdog_fired=_watchdog_fired(),
            on_notice=self._on_notice,
            access=_access(config),
            transfers=_transfers(config),
            recent_log=recent_log,
        )
        self.station = Station(config, env, ports, self._reactor)
        self._view = _View(self.station, self._reactor, self._lane_busy_s)
        self._web: Callable[[], None] | None = None

    def run(self) -> Ending:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.station.stop())
        self.station.start()
        self._reactor.call_later(AFTER_BOOT_S, self._after_boot, source="main")
        try:
            ending = self.station.run()
        finally:
            self._watchdog.stopping()
            if self._web is not None:
                self._web()
            self._around.link.stop(1.0)
            self._lanes.stop(1.0)
            if not self.station.store.stop(STOP_S):
                log.error("the store did not finish in time")
        return ending

    def _surroundings(self) -> Surroundings:
        sim = self._config.sim
        if sim is not None:
            from hal.sim.board import sim_board_description

            description = sim_board_description(
                sim.evses, sim.connectors, sim.cable, signs=sim.signing
            )
            return self._simulated(description, unplugged=sim.unplugged)
        plan = read_board(self._config)
        if plan.is_simulated:
            return self._simulated(plan.description)
        from hal.build import build_board
        from hal.errors import BoardError, HardwareFault

        try:
            board = build_board(plan, time.monotonic, outputs_path=RUN_DIR / "outputs.json")
        except (BoardError, HardwareFault) as error:
            raise ConfigError(str(error)) from error
        return Surroundings(board=board, link=ThreadLink(), boot_id=kernel_boot_id())

    def _simulated(self, description: BoardDescription, *, unplugged: bool = False) -> Surroundings:
        from station.simulator import simulated_hardware

        return simulated_hardware(
            description,
            self._state_dir,
            kernel_boot_id(),
            unplugged=unplugged,
            back_office=self._back_office,
        )

    def _seed(self) -> int:
        sim = self._config.sim
        if sim is not None and sim.seed is not None:
            return sim.seed
        return secrets.randbits(64)

    def _after_boot(self) -> None:
        """Whatever the first BootNotification need not wait for."""
        gc.freeze()  # without a collection: that would hold up the core to find next to nothing
        self._watchdog.ready()
        self._pet()
        if self._config.listen is not None:
            self._lanes("web").submit(self._start_web, self._web_started)

    def _start_web(self) -> str:
        from station.store.reader import QueueReader
        from station.web.server import WebServer

        listen = self._config.listen
        assert listen is not None
        self._view.publish_soon()
        queue = QueueReader(self._state_dir / DATABASE)
        server = WebServer(self._view, self._around.controls, listen.host, listen.port, queue)
        server.start()
        self._web = server.stop
        return server.url

    def _web_started(self, result: str | BaseException) -> None:
        if isinstance(result, BaseException):
            log.error("the local API cannot listen on %s: %s", self._config.web.listen, result)
            return
        log.info("the local API listens on %s", result)
        if self._around.controls is not None:
            print(f"simulator API on {result}", flush=True)

    def _lane_busy_s(self) -> float:
        """For how long the slowest present job of the lanes and the store has run."""
        since = self._backend.busy_since
        store_s = 0.0 if since is None else time.monotonic() - since
        return max(store_s, self._lanes.oldest_busy_s())

    def _pet(self) -> None:
        """From the core, after a whole cycle: the service manager sees that it lives."""
        self._watchdog.pet(self._around.board.alive_at())
        if self._watchdog.interval_s is not None:
            self._reactor.call_later(self._watchdog.interval_s, self._pet, source="watchdog")

    def _on_notice(self, notice: Notice) -> None:
        refuse(notice)
        if notice.source is Source.PRESET:
            print(f"--variables: {notice}; skipped", file=sys.stderr)


class _View:
    """Implements StationView: the core publishes a snapshot after turns, threads read it."""

    def __init__(
        self, station: Station, reactor: Reactor, lane_busy_s: Callable[[], float]
    ) -> None:
        self._station, self._reactor, self._lane_busy_s = station, reactor, lane_busy_s
        self._snapshot = station.snapshot()
        self._due = False
        self._wanted = False
        reactor.on_turn = self.on_turn

    def snapshot(self) -> Snapshot:
        return self._snapshot

    def inbox_depth(self) -> int:
        return self._reactor.inbox_depth

    def publish_soon(self) -> None:
        """From now on every turn is followed by a snapshot, at most PUBLISH_S later."""
        self._wanted = True
        self._reactor.post(self._publish, source="snapshot")

    def on_turn(self, source: str, late_s: float, took_s: float) -> None:
        metrics = self._station.metrics
        metrics.turn.add(took_s)
        metrics.inbox_peak = max(metrics.inbox_peak, self._reactor.inbox_depth)
        if late_s > 0.0:
            metrics.lag.add(late_s)
        if self._wanted and not self._due and source != "snapshot":
            self._due = True
            self._reactor.call_later(PUBLISH_S, self._publish, source="snapshot")

    def _publish(self) -> None:
        self._due = False
        self._station.metrics.lane_busy_s = self._lane_busy_s()
        self._snapshot = self._station.snapshot()


def refuse(notice: Notice) -> None:
    """What the installer asked for and the station cannot do ends the start."""
    if notice.source is Source.CONFIGURATION and notice.problem is not Problem.OVERRULED:
        raise ConfigError(f"[variables] {notice}")


def read_board(config: StationConfig) -> "BoardPlan":
    """The board file that the configuration names, found right; nothing is opened."""
    from hal import build
    from hal.errors import BoardError
    from station.config import board_path

    try:
        return build.read_board(board_path(config.board.file))
    except BoardError as error:
        raise ConfigError(str(error)) from error


def kernel_boot_id() -> str:
    try:
        return KERNEL_BOOT_ID.read_text().strip()
    except OSError:
        return "unknown"


def _access(config: StationConfig) -> Callable[[bytes], None] | None:
    if not config.network.access_command:
        return None
    from station.io.access import AccessCommand  # few stations have one

    return AccessCommand(config.network.access_command)


def _transfers(config: StationConfig) -> FileTransfers:
    local = config.transfers.allow_local
    targets = Targets(loopback=local or config.sim is not None, link_local=local)
    return FileTransfers(targets, config.transfers.known_hosts)


def _new_uuid() -> str:
    return str(uuid.uuid4())


def _watchdog_fired() -> bool:
    try:
        return LAST_END.read_text().strip() == "watchdog"
    except OSError:
        return False
