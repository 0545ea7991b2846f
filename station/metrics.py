"""Counters from day one: how late the core runs, how long commits take, what was contained."""

from typing import Any

from msgspec import Struct, field


class Peak(Struct):
    """Count, sum and worst of one duration in seconds."""

    count: int = 0
    total_s: float = 0.0
    worst_s: float = 0.0

    def add(self, duration_s: float) -> None:
        self.count += 1
        self.total_s += duration_s
        self.worst_s = max(self.worst_s, duration_s)

    def told(self) -> dict[str, float]:
        mean_s = self.total_s / self.count if self.count else 0.0
        return {
            "count": self.count,
            "mean_ms": round(mean_s * 1000, 2),
            "worst_ms": round(self.worst_s * 1000, 2),
        }


class Metrics(Struct):
    """Of one process; the core writes, the snapshot reads."""

    turn: Peak = field(default_factory=Peak)
    """How long turns take."""
    lag: Peak = field(default_factory=Peak)
    """How late timers are served."""
    commit: Peak = field(default_factory=Peak)
    """From the end of a turn until its unit is durable."""
    inbox_peak: int = 0
    """The most that ever waited for the core."""
    lane_busy_s: float = 0.0
    """For how long the slowest job of the lanes and the store has run, at the last look."""
    bytes_sent: int = 0
    bytes_received: int = 0
    """Of OCPP frames, before compression."""

    def told(self) -> dict[str, Any]:
        return {
            "turn": self.turn.told(),
            "lag": self.lag.told(),
            "commit": self.commit.told(),
            "inbox_peak": self.inbox_peak,
            "lane_busy_s": round(self.lane_busy_s, 3),
            "bytes_sent": self.bytes_sent,
            "bytes_received": self.bytes_received,
        }
