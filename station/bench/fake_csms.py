"""A CSMS for virtual time: it answers sensibly, remembers everything, and misbehaves on demand.

Frames cross as text, as on the wire, so that tests assert what a real CSMS would see.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from station.bench.fake_endpoint import Endpoint
from station.link import (
    FrameIn,
    LinkDown,
    LinkFact,
    LinkProblem,
    LinkTarget,
    LinkUp,
    PongIn,
)
from station.reactor import Reactor

Payload = dict[str, Any]
Message = tuple[str, Payload]
Answer = Payload | None | Callable[[Payload], Payload | None]
"""A payload, None for silence, or a function that makes either."""
ANYONE = Endpoint()


@dataclass(frozen=True)
class Refusal:
    """Answer with a CALLERROR."""

    code: str
    description: str = ""


class CallError(Exception):
    """The station answered a CALL with a CALLERROR."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code


@dataclass
class FakeCsms:
    """Both ends of the link: the port that the station is given, and the CSMS behind it."""

    reactor: Reactor
    rng: random.Random
    utc: Callable[[], datetime]
    received: list[Message] = field(default_factory=list)
    """CALLs of the station, in order: (action, payload)."""
    frames: list[list[Any]] = field(default_factory=list)
    """Every frame both ways: [time, direction, text]."""
    links: list[tuple[int, bool]] = field(default_factory=list)
    """When the connection came up (True) or went: how many `frames` there were by then."""
    answers: dict[str, Any] = field(default_factory=dict)
    """What to answer instead, by action: a payload, Refusal, None (silence) or a function."""
    reachable: bool = True
    """False: every endpoint refuses; for one of several see `at`."""
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    """How the door of each URL behaves; a URL that is not here lets everybody in."""
    interval_s: int = 86400
    boot_status: str = "Accepted"
    latency_s: tuple[float, float] = (0.005, 0.02)
    attempts: list[float] = field(default_factory=list)
    """When the station tried to connect."""
    targets: list[LinkTarget] = field(default_factory=list)
    """Where it tried, and what it showed: one for each of `attempts`."""
    results: dict[str, Any] = field(default_factory=dict)
    """Answers of the station to our CALLs, by message id: a payload or a CallError."""

    def __post_init__(self) -> None:
        self._port: FakeLink | None = None
        self._calls = 0
        self._flying: dict[int, tuple[FakeLink, int, str]] = {}
        self._flights = 0
        self._arrivals: dict[str, float] = {}

    # -- what tests do

    def call(self, action: str, payload: Payload, *, within_s: float = 5.0) -> Payload:
        """Send a CALL and live until it is answered; raises CallError for a CALLERROR."""
        message_id = self.send_call(action, payload)
        waited_s = 0.0
        while message_id not in self.results and waited_s < within_s:
            self.reactor.advance(0.01)  # type: ignore[attr-defined]
            waited_s += 0.01
        result = self.results.get(message_id)
        assert result is not None, f"{action} was not answered within {within_s} s"
        if isinstance(result, CallError):
            raise result
        answered: Payload = result
        return answered

    def send_call(self, action: str, payload: Payload) -> str:
        """Send a CALL and return its id; the answer will be in `results`."""
        self._calls += 1
        message_id = f"csms-{self._calls}"
        self.send_text(orjson.dumps([2, message_id, action, payload]).decode())
        return message_id

    def send_text(self, text: str) -> None:
        """Send any text frame."""
        assert self._port is not None, "the station is not connected"
        assert self._port.up, "the station is not connected"
        self.frames.append([round(self.reactor.now(), 3), "<", text])
        port, generation = self._port, self._port.generation
        self._in_order("<", port.deliver, FrameIn(generation, text))

    def at(self, url: str, **behaviour: Any) -> Endpoint:
        """The endpoint of that URL (without the identity), made or changed as told."""
        endpoint = self.endpoints.setdefault(url, Endpoint())
        for name, value in behaviour.items():
            assert hasattr(endpoint, name), name
            setattr(endpoint, name, value)
        return endpoint

    @property
    def target(self) -> LinkTarget | None:
        """Where the station is connected; None while it is not."""
        return self._port.target if self._port is not None and self._port.up else None

    def cut(self, problem: LinkProblem = LinkProblem.RESET) -> None:
        """The connection breaks."""
        if self._port is not None:
            self._port.drop(problem)

    def close(self, code: int, reason: str = "") -> None:
        """The CSMS closes the connection with that close code."""
        if self._port is not None:
            self._port.drop(LinkProblem.CLOSED, f"close frame {code} {reason}".rstrip(), code)

    def receive_the_last(self) -> None:
        """The process at the other end dies: what it had sent by then still arrives."""
        for flight in list(self._flying):
            self._landed(flight)

    def detach(self) -> None:
        """The process at the other end is gone."""
        if self.connected:
            self.links.append((len(self.frames), False))
        self._port = None

    def go_silent(self) -> None:
        """The connection is half open: everything is swallowed, and nobody says so."""
        if self._port is not None:
            self._port.silent = True

    def go_offline(self) -> None:
        """Break the connection and refuse new ones."""
        self.reachable = False
        self.cut()

    def go_online(self) -> None:
        self.reachable = True

    @property
    def connected(self) -> bool:
        return self._port is not None and self._port.up

    def actions(self) -> list[str]:
        return [action for action, _ in self.received]

    def of(self, action: str) -> list[Payload]:
        """The payloads of every CALL of *action* received."""
        return [payload for name, payload in self.received if name == action]

    def events(self, transaction_id: str | None = None) -> list[Payload]:
        """TransactionEvents received, of one transaction or of all."""
        return [
            event
            for event in self.of("TransactionEvent")
            if transaction_id in (None, event["transactionInfo"]["transactionId"])
        ]

    def take(self) -> list[Message]:
        """What was received since the last time, and forget it."""
        taken, self.received = self.received, []
        return taken

    # -- the port

    def link(self) -> "FakeLink":
        self._port = FakeLink(self)
        return self._port

    def _later(self, job: Callable[..., Any], *args: Any) -> None:
        self.reactor.call_later(self.rng.uniform(*self.latency_s), job, *args, source="wire")

    def _in_order(self, way: str, job: Callable[..., Any], *args: Any) -> None:
        """As `_later`, and never before what went the same way earlier."""
        arrives_at = self.reactor.now() + self.rng.uniform(*self.latency_s)
        arrives_at = self._arrivals[way] = max(arrives_at, self._arrivals.get(way, arrives_at))
        self.reactor.call_at(arrives_at, job, *args, source="wire")

    def carry(self, port: "FakeLink", generation: int, text: str) -> None:
        """A text frame of the station is on its way."""
        self._flights += 1
        self._flying[self._flights] = (port, generation, text)
        self._in_order(">", self._landed, self._flights)

    def _landed(self, flight: int) -> None:
        port, generation, text = self._flying.pop(flight)
        if port is not self._port or generation != port.generation or not port.up:
            return
        frame = orjson.loads(text)
        if frame[0] == 2:
            self.received.append((frame[2], frame[3]))
            self._answer(frame[1], frame[2], frame[3])
        elif frame[0] == 3:
            self.results[frame[1]] = frame[2]
        elif frame[0] == 4:
            self.results[frame[1]] = CallError(frame[2], frame[3])

    def _answer(self, message_id: str, action: str, payload: Payload) -> None:
        answer = self.answers.get(action, self._sensible)
        if callable(answer):
            answer = answer(payload) if action in self.answers else answer(action, payload)
        if isinstance(answer, Refusal):
            text = orjson.dumps([4, message_id, answer.code, answer.description, {}]).decode()
        elif answer is None:
            return
        else:
            text = orjson.dumps([3, message_id, answer]).decode()
        self.send_text(text)

    def _sensible(self, action: str, payload: Payload) -> Payload:
        match action:
            case "BootNotification":
                return {
                    "currentTime": self._now(),
                    "interval": self.interval_s,
                    "status": self.boot_status,
                }
            case "Heartbeat":
                return {"currentTime": self._now()}
            case "Authorize":
                return {"idTokenInfo": {"status": "Accepted"}}
            case "TransactionEvent" if "idToken" in payload:
                return {"idTokenInfo": {"status": "Accepted"}}
            case "DataTransfer":
                return {"status": "UnknownVendorId"}
            case "SignCertificate":
                return {"status": "Rejected"}
            case _:
                return {}

    def _now(self) -> str:
        return self.utc().isoformat(timespec="milliseconds").replace("+00:00", "Z")


class FakeLink:
    """Implements `link.Link` for one virtual process."""

    def __init__(self, csms: FakeCsms) -> None:
        self._csms = csms
        self.generation = 0
        self.up = False
        self.target: LinkTarget | None = None
        self.silent = False
        """Swallows everything, both ways: half open."""
        self.unhandled = 0
        self._on_fact: Callable[[LinkFact], Any] = lambda _: None

    def start(self, on_fact: Callable[[LinkFact], Any]) -> None:
        self._on_fact = on_fact

    def open(self, target: LinkTarget, generation: int) -> None:
        self.generation, self.target = generation, target
        self._csms.attempts.append(self._csms.reactor.now())
        self._csms.targets.append(target)
        self._csms._later(self._opened, generation)

    def _opened(self, generation: int) -> None:
        if generation != self.generation:
            return
        assert self.target is not None
        endpoint = self._csms.endpoints.get(self.target.url.rpartition("/")[0], ANYONE)
        refusal = endpoint.refusal(self.target, generation)
        if not self._csms.reachable:
            refusal = LinkDown(generation, LinkProblem.REFUSED, "csms.example")
        if refusal is not None:
            self._on_fact(refusal)
            return
        self.up, self.silent = True, False
        self._csms.links.append((len(self._csms.frames), True))
        peer = endpoint.peer(self.target)
        self._on_fact(LinkUp(generation, "ocpp2.0.1", "csms.example", peer))

    def send(self, generation: int, text: str) -> None:
        if self.up and generation == self.generation:
            self._csms.frames.append([round(self._csms.reactor.now(), 3), ">", text])
            if not self.silent:
                self._csms.carry(self, generation, text)

    def ping(self, generation: int) -> None:
        if self.up and generation == self.generation and not self.silent:
            self._csms._later(self.deliver, PongIn(generation))

    def close(self, generation: int, code: int = 1000, *, flush_s: float = 1.0) -> None:
        del code, flush_s
        if self.up and generation == self.generation:
            self._csms._in_order(">", self.drop, LinkProblem.LOCAL)

    def abort(self, generation: int, problem: LinkProblem) -> None:
        if generation == self.generation:
            self.drop(problem)

    def handled(self, generation: int, count: int = 1) -> None:
        if generation == self.generation:
            self.unhandled -= count

    def stop(self, timeout_s: float) -> bool:
        del timeout_s
        return True

    def deliver(self, fact: LinkFact) -> None:
        if self.up and fact.generation == self.generation and not self.silent:
            if isinstance(fact, FrameIn):
                self.unhandled += 1
            self._on_fact(fact)

    def drop(self, problem: LinkProblem, detail: str = "", close_code: int | None = None) -> None:
        if self.up:
            self.up = False
            self._csms.links.append((len(self._csms.frames), False))
            self._on_fact(LinkDown(self.generation, problem, detail, close_code))
