"""How long to wait before the next attempt to connect: OCPP-J Part 4, section 5.3.

The wait is RetryBackOffWaitMinimum plus chance, then it doubles, RetryBackOffRepeatTimes times,
each time with new chance; a success begins it anew. With the values as shipped there is besides
a ration of attempts, because a success that lasts ten seconds would begin it anew for ever.
"""

from collections.abc import Callable

from station.device_model import DeviceModel, Integer, Variable


def _seconds(name: str, default: int, *, least: int = 0) -> Variable[int]:
    kind = Integer(unit="s", min=least, max=86400)
    return Variable("OCPPCommCtrlr", name, kind, default=default)


WAIT_MINIMUM = _seconds("RetryBackOffWaitMinimum", 10, least=1)
RANDOM_RANGE = _seconds("RetryBackOffRandomRange", 20)
REPEAT_TIMES = Variable(
    "OCPPCommCtrlr", "RetryBackOffRepeatTimes", Integer(min=0, max=20), default=3
)
SCHEDULE = (WAIT_MINIMUM, RANDOM_RANGE, REPEAT_TIMES)

LONGEST_WAIT_S = 86400.0
"""Twenty doublings of a day would be centuries: a station that must be visited."""
RATION_S = 72.0
BURST = 10
"""Ten attempts at any time, then one every 72 s: at most 60 in any hour."""


class BackOff:
    """Counts failures and attempts; knows nothing of slots and sockets."""

    def __init__(self, variables: DeviceModel, chance: Callable[[], float]) -> None:
        self._variables, self._chance = variables, chance
        self._wait_s = 0.0
        self._doubled = 0
        self._ration_end = float("-inf")
        for variable in SCHEDULE:
            variables.declare(variable)

    def succeeded(self) -> None:
        """Erratum 4.12: the next wait is the shortest again."""
        self._wait_s = 0.0

    def attempted(self, now: float) -> None:
        self._ration_end = max(self._ration_end, now) + RATION_S

    def next_wait_s(self) -> float:
        """After a lost connection or a failed attempt."""
        variables = self._variables
        chance_s = self._chance() * variables[RANDOM_RANGE]
        if self._wait_s == 0.0:
            self._wait_s, self._doubled = variables[WAIT_MINIMUM] + chance_s, 0
        elif self._doubled < variables[REPEAT_TIMES]:
            self._wait_s, self._doubled = self._wait_s * 2 + chance_s, self._doubled + 1
        self._wait_s = min(self._wait_s, LONGEST_WAIT_S)
        return self._wait_s

    def ration_s(self, now: float) -> float:
        """Until another attempt is due to us; 0 for a schedule that somebody chose."""
        if any(self._variables[each] != each.default for each in SCHEDULE):
            return 0.0
        return max(0.0, self._ration_end - (BURST - 1) * RATION_S - now)
