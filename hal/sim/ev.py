"""The simulated car: when it asks for energy, and how much it takes of what is offered.

Piecewise constant: between two edges nothing changes but the state of charge,
so that `next_due` and `charge` can be computed instead of ticked.
"""

from dataclasses import dataclass

MIN_OFFER_A = 6.0
# IEC 61851-1: an offer of less than 6 A does not exist.

LETS_GO_S = 0.4
"""The car stops drawing and opens its switch this long after the offer has gone."""
RESUMES_S = 1.0
"""A car that was ready once takes no longer than this to be ready again."""
RAMP_STEPS = 4
RAMP_STEP_S = 0.75
TAPER = ((80.0, 0.75), (85.0, 0.55), (90.0, 0.4), (95.0, 0.25), (98.0, 0.15))
"""From this state of charge in percent, the car takes this share of its own limit."""
FULL = 100.0

NO_TIME = float("inf")


@dataclass
class Car:
    """One car. Its `s2` is the switch of IEC 61851-1 that turns pilot B into C or D."""

    max_current_a: float = 16.0
    phases: int = 3
    soc: float = 30.0
    capacity_wh: float = 60000.0
    ready_after_s: float = 1.0
    suspended: bool = False
    ventilation: bool = False
    """It asks for a ventilated room: D instead of C."""
    s2: bool = False
    s2_due: float | None = None
    """When `s2` turns over."""
    was_ready: bool = False
    drawn_a: float = 0.0
    """Per phase."""
    ramp_from_a: float = 0.0
    ramp_to_a: float = 0.0
    ramp_at: float | None = None
    ramp_done: int = 0

    def react(self, now: float, offer_a: float, *, supplied: bool) -> None:
        """Take note of the offer and of the supply as they are now."""
        wants = offer_a >= MIN_OFFER_A and not self.suspended and self.soc < FULL
        if wants is self.s2:
            self.s2_due = None
        else:
            if self.s2_due is None:
                self.s2_due = now + self._hesitation(wants=wants, offer_a=offer_a)
            if now >= self.s2_due:
                self.s2, self.s2_due = wants, None
                self.was_ready = self.was_ready or wants
        if not (self.s2 and supplied):
            self.drawn_a, self.ramp_at = 0.0, None
        elif wants:
            self._follow(now, min(offer_a, self.max_current_a * self._share()))
        else:
            self.ramp_at = None  # it is about to let go: it takes what it takes

    def suspend(self) -> None:
        self.suspended = True

    def resume(self, now: float, *, ventilation: bool) -> None:
        self.suspended, self.ventilation, self.was_ready = False, ventilation, True
        if not self.s2:
            self.s2_due = now

    def disconnect(self) -> None:
        """Its cable has left the station."""
        self.s2, self.s2_due, self.was_ready = False, None, False
        self.drawn_a, self.ramp_at = 0.0, None

    def charge(self, energy_wh: float) -> None:
        """Take in *energy_wh*."""
        limit = self._threshold()
        soc = self.soc + energy_wh / self.capacity_wh * 100.0
        self.soc = limit if soc > limit - 1e-7 else soc

    def next_due(self, at: float, power_w: float) -> float:
        """When the car next changes by itself if it draws *power_w* since *at*."""
        due = NO_TIME if self.s2_due is None else self.s2_due
        if self.ramp_at is not None:
            due = min(due, self.ramp_at + RAMP_STEP_S * (self.ramp_done + 1))
        if power_w > 0.0 and self.soc < FULL:
            missing_wh = (self._threshold() - self.soc) / 100.0 * self.capacity_wh
            due = min(due, at + missing_wh / power_w * 3600.0)
        return due

    def _hesitation(self, *, wants: bool, offer_a: float) -> float:
        if wants:
            return min(self.ready_after_s, RESUMES_S) if self.was_ready else self.ready_after_s
        return LETS_GO_S if offer_a < MIN_OFFER_A else 0.0

    def _share(self) -> float:
        return next((share for from_soc, share in reversed(TAPER) if self.soc >= from_soc), 1.0)

    def _threshold(self) -> float:
        return next((from_soc for from_soc, _ in TAPER if from_soc > self.soc), FULL)

    def _follow(self, now: float, target_a: float) -> None:
        if target_a <= self.drawn_a:
            self.drawn_a, self.ramp_at = target_a, None
            return
        if self.ramp_at is None or self.ramp_to_a != target_a:
            self.ramp_from_a, self.ramp_to_a = self.drawn_a, target_a
            self.ramp_at, self.ramp_done = now, 0
        while self.ramp_done < RAMP_STEPS and (
            now >= self.ramp_at + RAMP_STEP_S * (self.ramp_done + 1)
        ):
            self.ramp_done += 1
        if self.ramp_done == RAMP_STEPS:
            self.drawn_a, self.ramp_at = target_a, None
        else:
            rise_a = target_a - self.ramp_from_a
            self.drawn_a = self.ramp_from_a + rise_a * self.ramp_done / RAMP_STEPS
