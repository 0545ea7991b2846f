"""`joulepost doctor`: walks the way to the CSMS step by step, and says what each one showed.

The attempt itself is made by the link of production, so the doctor sees what the station would
see. Names, addresses and certificates are looked at besides, for what they tell a person; that
look shows the other side nothing that is secret.
"""

import queue
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from msgspec import Struct

from station import advice
from station.advice import Diagnosis, Step
from station.io.csms_link import ThreadLink
from station.io.dial import parse_address
from station.io.look import certificates_shown, knock, look_up
from station.io.upgrade import DialError
from station.link import FrameIn, LinkDown, LinkFact, LinkProblem, LinkTarget, LinkUp
from station.ocpp import frames

CLOSE_S = 5.0
SECOND_THOUGHTS_S = 0.5
"""A CSMS that lets everybody in and then closes has done so by then."""
ANSWER_S = 30.0
BOOT_ID = "doctor-1"
DATES_UNCHECKED = "dates were not checked: the clock of this computer is not set"

ORDER = (
    Step.NAME,
    Step.TCP,
    Step.TLS,
    Step.UPGRADE,
    Step.SUBPROTOCOL,
    Step.CREDENTIALS,
    Step.CONNECTION,
    Step.BOOT,
)
BOOT_ADVICE = {"Pending": advice.BOOT_PENDING, "Rejected": advice.BOOT_REJECTED}


class Status(StrEnum):
    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


class Outcome(Struct, frozen=True):
    """One step, and what it showed: a line, and further ones below it."""

    step: Step
    status: Status
    text: str
    more: tuple[str, ...] = ()


class Examination(Struct, frozen=True):
    """The way to one CSMS; no diagnosis: nothing is wrong."""

    outcomes: tuple[Outcome, ...]
    diagnosis: Diagnosis | None


class Sheet:
    """What is known so far; steps are filled in from the first to the first that fails."""

    def __init__(self) -> None:
        self._known: dict[Step, Outcome] = {}
        self.diagnosis: Diagnosis | None = None

    def ok(self, step: Step, text: str, more: tuple[str, ...] = ()) -> None:
        self._known[step] = Outcome(step, Status.OK, text, more)

    def skip(self, step: Step, text: str) -> None:
        self._known[step] = Outcome(step, Status.SKIPPED, text)

    def fail(self, diagnosis: Diagnosis, more: tuple[str, ...] = ()) -> None:
        step = Step(diagnosis.step)
        self._known[step] = Outcome(step, Status.FAILED, diagnosis.problem, more)
        self.diagnosis = diagnosis

    def examination(self) -> Examination:
        for step in ORDER:
            if step not in self._known:
                self.skip(step, "not reached")
        return Examination(tuple(self._known[step] for step in ORDER), self.diagnosis)


class Doctor:
    """Examines one target after another; `close` ends its thread."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._link = ThreadLink(monotonic=monotonic)
        self._facts: queue.SimpleQueue[LinkFact] = queue.SimpleQueue()
        self._link.start(self._facts.put)
        self._generation = 0

    def close(self) -> None:
        self._link.stop(CLOSE_S)

    def examine(self, target: LinkTarget, boot: bytes | None) -> Examination:
        """*boot* is the BootNotification to send, as JSON; None sends none."""
        sheet = Sheet()
        try:
            shown = self._look(target, sheet)
            self._attempt(target, boot, sheet, shown)
        except DialError as error:
            sheet.fail(_diagnosis(LinkDown(0, error.problem, error.detail, stage=error.stage)))
        return sheet.examination()

    def _look(self, target: LinkTarget, sheet: Sheet) -> tuple[str, ...]:
        """Names and addresses; what certificates are shown, as lines."""
        address = parse_address(target.url)
        found = look_up(address)
        sheet.ok(Step.NAME, f"{address.host} is {', '.join(str(each) for each in found)}")
        reached, answers = knock(address, found)
        sheet.ok(Step.TCP, "; ".join(answers))
        if not address.secure:
            return ()
        shown = certificates_shown(reached, address.host)
        unchecked = target.tls is not None and not target.tls.check_dates
        return (*shown, DATES_UNCHECKED) if unchecked else shown

    def _attempt(
        self, target: LinkTarget, boot: bytes | None, sheet: Sheet, shown: tuple[str, ...]
    ) -> None:
        self._generation += 1
        self._link.open(target, self._generation)
        fact = self._next(target.deadline_s + CLOSE_S)
        if not isinstance(fact, LinkUp):
            _enter_failure(sheet, fact, target, shown)
            return
        _enter_success(sheet, fact, target, shown)
        after = self._next(SECOND_THOUGHTS_S)
        if isinstance(after, LinkDown):
            sheet.fail(_diagnosis(after))
            return
        sheet.ok(Step.CONNECTION, "it holds")
        if boot is None:
            sheet.skip(Step.BOOT, "not asked for; --boot sends a BootNotification")
        else:
            self._boot(boot, sheet)
        self._link.close(self._generation)
        due_at = self._monotonic() + CLOSE_S
        while not isinstance(self._next(due_at - self._monotonic()), LinkDown | None):
            continue

    def _boot(self, boot: bytes, sheet: Sheet) -> None:
        self._link.send(self._generation, frames.call(BOOT_ID, "BootNotification", boot))
        due_at = self._monotonic() + ANSWER_S
        while (left_s := due_at - self._monotonic()) > 0:
            fact = self._next(left_s)
            if isinstance(fact, LinkDown):
                lost = fact.detail or fact.problem.value
                sheet.fail(Diagnosis(Step.BOOT, f"no answer: {lost}", advice.NOT_ANSWERED))
                return
            if isinstance(fact, FrameIn):
                self._link.handled(self._generation)
                answer = frames.parse(fact.text)
                if isinstance(answer, frames.Call):
                    continue
                _enter_boot(sheet, answer)
                return
        problem = f"no answer within {ANSWER_S:.0f} s"
        sheet.fail(Diagnosis(Step.BOOT, problem, advice.NOT_ANSWERED))

    def _next(self, timeout_s: float) -> LinkFact | None:
        """The next fact of the present attempt, if there is one in time."""
        due_at = self._monotonic() + timeout_s
        while (left_s := due_at - self._monotonic()) > 0:
            try:
                fact = self._facts.get(timeout=left_s)
            except queue.Empty:
                break
            if fact.generation == self._generation:
                return fact
        return None


def _enter_success(sheet: Sheet, fact: LinkUp, target: LinkTarget, shown: tuple[str, ...]) -> None:
    peer = fact.peer
    if peer is None:
        sheet.skip(Step.TLS, "none: ws:// is security profile 1")
    else:
        until = f"valid {peer.not_before:%Y-%m-%d} to {peer.not_after:%Y-%m-%d}"
        root = ", under the root that was replaced" if peer.fallback_root else ""
        text = f"{peer.version}, {peer.cipher_suite}; trusted{root}, {until}"
        sheet.ok(Step.TLS, text, shown)
    sheet.ok(Step.UPGRADE, f"{fact.address} speaks WebSocket")
    sheet.ok(Step.SUBPROTOCOL, fact.subprotocol)
    sheet.ok(Step.CREDENTIALS, _presented(target))


def _enter_failure(
    sheet: Sheet, fact: LinkFact | None, target: LinkTarget, shown: tuple[str, ...]
) -> None:
    down = fact if isinstance(fact, LinkDown) else LinkDown(0, LinkProblem.TIMEOUT)
    diagnosis = _diagnosis(down)
    step = Step(diagnosis.step)
    if ORDER.index(step) > ORDER.index(Step.TLS):
        if target.url.startswith("ws:"):
            sheet.skip(Step.TLS, "none: ws:// is security profile 1")
        else:
            sheet.ok(Step.TLS, "agreed on, and the certificate is trusted", shown)
    if step in (Step.SUBPROTOCOL, Step.CREDENTIALS):
        sheet.ok(Step.UPGRADE, f"the server answered with HTTP {down.http_status or 101}")
    if step is Step.CREDENTIALS:
        sheet.skip(Step.SUBPROTOCOL, "not told")
    sheet.fail(diagnosis, shown if step is Step.TLS else ())


def _enter_boot(sheet: Sheet, answer: Any) -> None:
    if not isinstance(answer, frames.CallResult):
        said = f"{answer.code} {answer.description}" if isinstance(answer, frames.CallError) else ""
        problem = f"answered with an error: {_plain(said)}"
        sheet.fail(Diagnosis(Step.BOOT, problem, advice.NOT_ANSWERED))
        return
    status = _plain(answer.payload.get("status"))
    told = f"{status}, interval {_plain(answer.payload.get('interval'))} s"
    told += f", its time is {_plain(answer.payload.get('currentTime'))}"
    if status == "Accepted":
        sheet.ok(Step.BOOT, told)
    else:
        sheet.fail(Diagnosis(Step.BOOT, told, BOOT_ADVICE.get(status, advice.NOT_ANSWERED)))


def _presented(target: LinkTarget) -> str:
    if target.user:
        return f"user {target.user} and its password"
    return "the certificate of the station"


def _diagnosis(down: LinkDown) -> Diagnosis:
    found = advice.diagnose(down)
    assert found is not None, "an end has a reason"
    return found


def _plain(value: object) -> str:
    return "".join(char if char.isprintable() else "?" for char in str(value))[:120]
