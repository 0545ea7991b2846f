"""How fast a backlog is sent: a token bucket, told in one number."""


class Throttle:
    """*burst* messages at once, then *rate* in a second; the link may come and go meanwhile.

    Theory of operation. Each message moves a due time on by 1/rate, which otherwise follows the
    present; a message may leave while that time is less than the burst ahead. Silence fills the
    bucket up, a new connection does not.
    """

    def __init__(self) -> None:
        self._due_at = float("-inf")
        self._free_at = float("-inf")

    @property
    def free_at(self) -> float:
        """When the next message may leave, in monotonic seconds."""
        return self._free_at

    def take(self, now: float, rate: float, burst: int) -> None:
        """One message leaves; with a *rate* of 0 the next one may follow at once."""
        if rate <= 0:
            self._due_at = self._free_at = float("-inf")
            return
        self._due_at = max(self._due_at, now) + 1 / rate
        self._free_at = self._due_at - (burst - 1) / rate
