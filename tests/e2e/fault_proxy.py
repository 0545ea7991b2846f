"""A network that fails on demand: a TCP proxy on loopback between a station and its CSMS.

Each direction of each connection has one task that reads and notes when a piece is due, and
one that writes, so that a delay holds up nothing but what is behind it.
"""

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

WAIT_S = 10.0
PIECE_BYTES = 4096

Late = asyncio.Queue[tuple[float, bytes]]


@dataclass
class Fault:
    """What the network does to one direction; may be changed at any time, from any thread."""

    latency_s: float = 0.0
    bytes_per_s: float = 0.0
    """0: as fast as it goes."""
    swallows: bool = False
    """What is sent vanishes; nobody is told."""
    duplicates: bool = False
    """The next piece arrives twice."""
    ends_after: int | None = None
    """So many bytes still pass, then the connection ends, be it in the middle of a frame."""


class FaultProxy:
    """Listens on a free port and passes everything on to *port*; ends with its context."""

    def __init__(self, port: int) -> None:
        self._csms_port = port
        self.port = 0
        self.to_csms, self.to_station = Fault(), Fault()
        self.accepted_at: list[float] = []
        """When each connection came in."""
        self._refuses = False
        self._wires: list[Wire] = []
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def __enter__(self) -> "FaultProxy":
        self._thread.start()
        assert self._listening.wait(WAIT_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(WAIT_S)

    # -- what can happen to every connection

    def heal(self) -> None:
        """From now on nothing is lost or late; what was swallowed stays so."""
        for fault in (self.to_csms, self.to_station):
            for field in fields(Fault):
                setattr(fault, field.name, field.default)
        self._refuses = False

    def black_hole(self) -> None:
        """Both directions vanish; new connections are taken and hear nothing either."""
        self.to_csms.swallows = self.to_station.swallows = True

    def half_open(self) -> None:
        """The CSMS is gone; what the station has looks like a connection."""
        self._do(lambda wire: wire.half_open())

    def reset(self) -> None:
        """A TCP RST to both sides."""
        self._do(lambda wire: wire.reset())

    def refuse(self) -> None:
        """New connections are reset as soon as they are there, until `heal`."""
        self._refuses = True

    def _do(self, deed: Callable[["Wire"], None]) -> None:
        async def do() -> None:
            for wire in self._wires:
                deed(wire)

        asyncio.run_coroutine_threadsafe(do(), self._loop).result(WAIT_S)

    # -- the thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._ended.wait()
        server.close()
        for wire in self._wires:
            wire.reset()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted_at.append(time.monotonic())
        if self._refuses:
            reset(writer)
            return
        try:
            csms = await asyncio.open_connection("127.0.0.1", self._csms_port)
        except OSError:  # nobody there: the station sees the same
            reset(writer)
            return
        wire = Wire(self.to_csms, self.to_station, station=(reader, writer), csms=csms)
        self._wires.append(wire)
        await wire.carry()


End = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Wire:
    """One connection of a station, and the one that goes on to its CSMS."""

    def __init__(self, up: Fault, down: Fault, *, station: End, csms: End) -> None:
        self._up, self._down, self._station, self._csms = up, down, station, csms
        self._is_half_open = False

    async def carry(self) -> None:
        up, down = Late(), Late()
        await asyncio.gather(
            self._read(self._station[0], self._up, up),
            self._write(self._csms[1], self._up, up),
            self._read(self._csms[0], self._down, down),
            self._write(self._station[1], self._down, down),
        )

    def half_open(self) -> None:
        self._is_half_open = True
        reset(self._csms[1])

    def reset(self) -> None:
        reset(self._station[1])
        reset(self._csms[1])

    async def _read(self, source: asyncio.StreamReader, fault: Fault, late: Late) -> None:
        free_at = 0.0
        while data := await _receive(source):
            if fault.swallows or self._is_half_open:
                continue
            now = time.monotonic()
            if fault.bytes_per_s:
                free_at = max(free_at, now) + len(data) / fault.bytes_per_s
            due_at = max(free_at, now) + fault.latency_s
            late.put_nowait((due_at, data))
            if fault.duplicates:
                fault.duplicates = False
                late.put_nowait((due_at, data))
        if not self._is_half_open:
            late.put_nowait((time.monotonic() + fault.latency_s, b""))

    async def _write(self, sink: asyncio.StreamWriter, fault: Fault, late: Late) -> None:
        data = b"?"
        while data:
            due_at, data = await late.get()
            await asyncio.sleep(max(0.0, due_at - time.monotonic()))
            if fault.ends_after is not None:
                data, left = data[: fault.ends_after], fault.ends_after - len(data)
                fault.ends_after = left if left > 0 else None
                if left <= 0:
                    sink.write(data)
                    break
            sink.write(data)
        sink.close()


async def _receive(source: asyncio.StreamReader) -> bytes:
    try:
        return await source.read(PIECE_BYTES)
    except OSError:  # reset: nothing more comes
        return b""


def reset(writer: asyncio.StreamWriter) -> None:
    sock: Any = writer.get_extra_info("socket")
    if not writer.transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
