"""What a full inventory (B07) costs the core: each part is a turn of its own."""

import gc
import statistics
from pathlib import Path

from station.bench.figures_lists import Turns
from station.bench.figures_measure import Effort, Figure
from station.bench.virtual import VirtualStation

REPORTS = 20
MANY_EVSES = 12
SOURCES = frozenset({"link", "csms"})
"""Of the turns that make a part, and that hand it to the link."""


class Inventory:
    """Full inventories of one virtual station: CPU time of the core's turns, parts, bytes."""

    def __init__(self, evses: int, reports: int) -> None:
        station = VirtualStation(evses=evses).boot()
        gc.freeze()  # as a station does once it has started
        turns = Turns(station.reactor, SOURCES)
        for number in range(reports):
            station.csms.received.clear()
            station.csms.frames.clear()
            request = {"requestId": number, "reportBase": "FullInventory"}
            answer = station.csms.call("GetBaseReport", request)
            station.settle()
            if answer["status"] != "Accepted":
                raise ValueError(f"GetBaseReport was answered with {answer}")
        station.reactor.on_turn = None
        gc.unfreeze()
        parts = station.csms.of("NotifyReport")
        if not parts or parts[-1].get("tbc"):
            raise ValueError("the inventory was not told to its end")
        self.parts = len(parts)
        self.variables = sum(len(part["reportData"]) for part in parts)
        self.bytes = sum(
            len(text.encode())
            for _, _, text in station.csms.frames
            if text.startswith("[2,") and '"NotifyReport"' in text
        )
        self.times_ms = turns.times_ms
        self.each_ms = sum(self.times_ms) / reports


def full_inventory(effort: Effort, directory: Path) -> list[Figure]:  # noqa: ARG001 - no disk
    """For the usual station of two EVSEs, and for a large one."""
    figures = []
    for evses in (2, MANY_EVSES):
        found = Inventory(evses, min(REPORTS, effort.events))
        figures.append(
            Figure(
                f"full inventory of {evses} EVSEs, longest turn",
                max(found.times_ms),
                "ms",
                20.0,
                note=f"CPU time of the core; mean {statistics.mean(found.times_ms):.2f} ms, "
                f"{found.each_ms:.1f} ms for a whole one; {found.variables} variables in "
                f"{found.parts} parts, {found.bytes / 1000:.0f} kB",
            )
        )
    return figures
