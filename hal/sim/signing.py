"""Simulated meters that sign what they measure: OCMF data sets, each meter with its own key.

The key follows from the serial number, so that anybody can tell what it will be: it shows
that data sets travel unchanged, and protects nothing. Format: Open Charge Metering Format
1.2 of S.A.F.E. e.V., one reading in each data set.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from hal.api import SIGNING_S, BoardDescription, FaultName, MeterReading, SignedReading, SignMoment

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from hal.sim.world import World

LATENCY_S = 0.3
ALGORITHM = "ECDSA-secp256r1-SHA256"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
REASONS = {SignMoment.BEGIN: "B", SignMoment.UPDATE: "C", SignMoment.END: "E"}


class SigningMood(StrEnum):
    """What a simulated meter does when it is asked to sign."""

    SIGNS = "signs"
    REFUSES = "refuses"
    LATE = "late"


@dataclass
class MeterMemory:
    """What a signing meter keeps whatever happens to the station."""

    pages: int = 0
    """Data sets signed so far in the transaction context (T)."""
    fiscal_pages: int = 0
    """… and outside of transactions (F)."""
    in_transaction: bool = False
    """BEGIN was told, and no END since."""
    end_asked: bool = False
    """END was asked since, whether or not the meter heard it."""
    last_end: str = ""
    last_end_wh: int = 0
    last_identification: str = ""
    mood: str = SigningMood.SIGNS


class SigningMeter:
    """One meter; what it remembers is handed to it."""

    def __init__(self, serial_number: str) -> None:
        self.serial_number = serial_number
        self._key: EllipticCurvePrivateKey | None = None
        self._public_key = ""

    def sign(
        self,
        memory: MeterMemory,
        reading: MeterReading,
        moment: SignMoment,
        identification: str,
        utc: datetime,
    ) -> SignedReading | None:
        """A data set of *reading*; None when the meter is not in the state for *moment*.

        A repeated END is answered with the same bytes again, until the next BEGIN.
        """
        if moment is SignMoment.BEGIN and memory.in_transaction:
            return None
        if moment is SignMoment.END and not memory.in_transaction:
            if not memory.last_end or memory.last_identification != identification:
                return None
            return self._answer(reading, memory.last_end_wh, memory.last_end)
        in_transaction = memory.in_transaction or moment is SignMoment.BEGIN
        payload = self._payload(memory, in_transaction, reading, moment, identification, utc)
        data = f"OCMF|{payload}|{self._signature(payload)}"
        if moment is SignMoment.BEGIN:
            memory.in_transaction, memory.last_end = True, ""
        elif moment is SignMoment.END:
            memory.in_transaction, memory.last_end = False, data
            memory.last_end_wh, memory.last_identification = reading.energy_wh, identification
        return self._answer(reading, reading.energy_wh, data)

    def _answer(self, reading: MeterReading, energy_wh: int, data: str) -> SignedReading:
        self._load_key()
        return SignedReading(
            evse=reading.evse,
            at=reading.at,
            energy_wh=energy_wh,
            data=data,
            signing_method="",  # SA in the data names it
            encoding_method="OCMF",
            public_key=self._public_key,
        )

    def _payload(
        self,
        memory: MeterMemory,
        in_transaction: bool,
        reading: MeterReading,
        moment: SignMoment,
        identification: str,
        utc: datetime,
    ) -> str:
        head: dict[str, Any] = {
            "FV": "1.2",
            "GI": "joulepost simulated meter",
            "GS": self.serial_number,
            "GV": "1",
            "PG": _next_page(memory, in_transaction),
            "MV": "joulepost",
            "MM": "simulated",
            "MS": self.serial_number,
            "MF": "1",
        }
        if in_transaction:
            known = bool(identification)
            head |= {
                "IS": known,
                "IL": "HEARSAY" if known else "NONE",
                "IF": [],
                "IT": "UNDEFINED" if known else "NONE",
                "ID": identification,
            }
        # RV by hand: three decimals are what the register counts, and JSON would drop zeros.
        register = f"{reading.energy_wh // 1000}.{reading.energy_wh % 1000:03d}"
        reason = f'"TX":"{REASONS[moment]}",' if in_transaction else ""
        told = (
            f'"RD":[{{"TM":"{_time(utc)} S",{reason}"RV":{register},"RI":"1-b:1.8.0",'
            f'"RU":"kWh","RT":"AC","EF":"","ST":"G"}}]}}'
        )
        # The bar separates the sections of OCMF: inside a text it is written otherwise.
        text = json.dumps(head, separators=(",", ":")).replace("|", "\\u007c")
        return f"{text[:-1]},{told}"

    def _signature(self, payload: str) -> str:
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.hashes import SHA256

        # RFC 6979: the same data give the same bytes, so that a run can be repeated
        algorithm = ECDSA(SHA256(), deterministic_signing=True)
        signature = self._load_key().sign(payload.encode(), algorithm)
        return json.dumps(
            {"SA": ALGORITHM, "SE": "hex", "SD": signature.hex().upper()}, separators=(",", ":")
        )

    def _load_key(self) -> "EllipticCurvePrivateKey":
        if self._key is None:
            from cryptography.hazmat.primitives.asymmetric import ec
            from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

            seed = hashlib.sha256(f"joulepost simulated meter {self.serial_number}".encode())
            number = int.from_bytes(seed.digest()) % (P256_ORDER - 1) + 1
            self._key = ec.derive_private_key(number, ec.SECP256R1())
            der = self._key.public_key().public_bytes(
                Encoding.DER, PublicFormat.SubjectPublicKeyInfo
            )
            self._public_key = f"oca:base16:asn1:{der.hex()}"
        return self._key


class Alarm(Protocol):
    def cancel(self) -> None: ...


class SigningMeters:
    """The signing meters of a simulated board; belongs to the board's thread."""

    def __init__(
        self,
        description: BoardDescription,
        world: "World",
        monotonic: Callable[[], float],
        call_at: Callable[[float, Callable[[], None]], Alarm],
        utc: Callable[[], datetime] | None = None,
    ) -> None:
        self._world, self._monotonic, self._call_at = world, monotonic, call_at
        self._utc = utc or (lambda: datetime.fromtimestamp(monotonic(), UTC))
        station = description.serial_number or "JPSIM"
        self._meters = {
            evse.id: SigningMeter(f"{station}-{evse.id}")
            for evse in description.evses
            if evse.signs
        }
        self.misuses: list[str] = []
        """What no station may ask of a meter, and one has."""

    def sign(
        self,
        evse: int,
        moment: SignMoment,
        identification: str,
        on_result: Callable[[SignedReading | None], None],
    ) -> None:
        """As `hal.api.Board.sign` has it."""
        meter, place = self._meters.get(evse), self._world.evses[evse].place
        if meter is None:
            on_result(None)
            return
        now, memory = self._monotonic(), place.signing
        begins_early = memory.in_transaction and not memory.end_asked
        memory.end_asked = moment is SignMoment.END or (
            memory.end_asked and moment is not SignMoment.BEGIN
        )
        if FaultName.METER_SILENT in place.injected:  # it does not even hear us
            self._later(now + SIGNING_S, on_result, None)
        elif memory.mood == SigningMood.REFUSES:
            self._later(now + LATENCY_S, on_result, None)
        else:
            if moment is SignMoment.BEGIN and begins_early:
                self.misuses.append(f"EVSE {evse} at {now:.3f} s: BEGIN before END")
            reading = self._world.evses[evse].reading(now)
            signed = meter.sign(memory, reading, moment, identification, self._utc())
            self._world.save()
            if memory.mood == SigningMood.LATE:  # it signs, but nobody waits for that long
                self._later(now + SIGNING_S, on_result, None)
            else:
                self._later(now + LATENCY_S, on_result, signed)

    def _later(
        self,
        due: float,
        on_result: Callable[[SignedReading | None], None],
        signed: SignedReading | None,
    ) -> None:
        self._call_at(due, lambda: on_result(signed))


def _next_page(memory: MeterMemory, in_transaction: bool) -> str:
    if in_transaction:
        memory.pages += 1
        return f"T{memory.pages}"
    memory.fiscal_pages += 1
    return f"F{memory.fiscal_pages}"


def _time(utc: datetime) -> str:
    return f"{utc:%Y-%m-%dT%H:%M:%S},{utc.microsecond // 1000:03d}+0000"
