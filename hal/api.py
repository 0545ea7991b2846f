"""All that station sees of hardware: values with units, and the Board it talks to.

Times (`at`, `permit_until`, `polled_at`) are seconds on the environment's
monotonic clock. EVSE and connector ids count from 1; EVSE 0 is the station.
"""

from collections.abc import Callable
from enum import Enum, IntEnum, StrEnum
from typing import Protocol

from msgspec import Struct

from hal.payment import CardDeclined, CardPresented, PaymentNews, TerminalDescription

LEASE_S = 2.0
"""Longest time for which a setpoint may permit energy without being renewed."""
SIGNING_S = 10.0
"""Longest time that a meter may take to sign; `Board.sign` gives up then."""


class PilotState(StrEnum):
    """Control pilot as IEC 61851-1 names it; the EVSE's own offer (PWM) is not part of it."""

    A = "A"  # nothing connected
    B = "B"  # connected, not ready
    C = "C"  # ready
    D = "D"  # ready, needs ventilation
    E = "E"  # short to ground, or no power
    F = "F"  # EVSE not available


class Power(IntEnum):
    """What an EVSE may do with energy, from least to most."""

    OPEN_NOW = 0  # open the contactor under load if need be
    STOP_SOFT = 1  # end the offer, give the EV 6 s to stop drawing, then open
    OFFER = 2  # offer `limit_a`; close when the pilot says C


class Severity(IntEnum):
    INFORM = 0  # tell, go on
    NO_NEW = 1  # no new transaction may start here
    OPEN = 2  # the contactor must open now


class FaultName(StrEnum):
    """Every fault that hardware can report; FAULTS says how grave each is."""

    RESIDUAL_CURRENT = "residual_current"
    GROUND_FAULT = "ground_fault"
    CONTACTOR_WELDED = "contactor_welded"
    CONTACTOR_STUCK_OPEN = "contactor_stuck_open"
    OVER_TEMPERATURE = "over_temperature"
    OVER_CURRENT = "over_current"
    UNDER_VOLTAGE = "under_voltage"
    PILOT_FAULT = "pilot_fault"
    DIODE_FAULT = "diode_fault"
    METER_SILENT = "meter_silent"
    LOCK_STUCK = "lock_stuck"
    EMERGENCY_STOP = "emergency_stop"
    BOARD_SILENT = "board_silent"
    DEVICE_SILENT = "device_silent"


class Fault(Struct, frozen=True, order=True):
    """A fault that holds now; it is raised by appearing in a report and cleared by leaving it."""

    name: FaultName
    device: str
    severity: Severity
    latching: bool
    """Stays until a FAULT_RESET command, even when its cause has gone."""


FAULTS: dict[FaultName, Fault] = {
    fault.name: fault
    for fault in (
        Fault(FaultName.RESIDUAL_CURRENT, "ResidualCurrentDevice", Severity.OPEN, latching=False),
        Fault(FaultName.GROUND_FAULT, "GroundMonitor", Severity.OPEN, latching=False),
        Fault(FaultName.CONTACTOR_WELDED, "PowerContactor", Severity.OPEN, latching=False),
        Fault(FaultName.CONTACTOR_STUCK_OPEN, "PowerContactor", Severity.OPEN, latching=True),
        Fault(FaultName.OVER_TEMPERATURE, "TemperatureSensor", Severity.OPEN, latching=False),
        Fault(FaultName.OVER_CURRENT, "OverCurrentBreaker", Severity.OPEN, latching=False),
        Fault(FaultName.UNDER_VOLTAGE, "ElectricalFeed", Severity.OPEN, latching=False),
        Fault(FaultName.PILOT_FAULT, "ControlPilot", Severity.OPEN, latching=False),
        Fault(FaultName.DIODE_FAULT, "ControlPilot", Severity.OPEN, latching=False),
        Fault(FaultName.METER_SILENT, "ElectricalMeter", Severity.NO_NEW, latching=False),
        Fault(FaultName.LOCK_STUCK, "ConnectorPlugRetentionLock", Severity.NO_NEW, latching=False),
        Fault(FaultName.EMERGENCY_STOP, "EmergencyStopSensor", Severity.OPEN, latching=False),
        Fault(FaultName.BOARD_SILENT, "Controller", Severity.OPEN, latching=False),
        Fault(FaultName.DEVICE_SILENT, "Controller", Severity.INFORM, latching=False),
    )
}


class CableKind(StrEnum):
    FIXED = "fixed"
    SOCKET = "socket"


class ConnectorDescription(Struct, frozen=True):
    id: int
    type: str
    """A ConnectorEnum value of OCPP, e.g. "cType2" or "sType2"."""
    cable: CableKind
    has_lock: bool
    """The connector can hold the plug (sockets)."""


class ReaderDescription(Struct, frozen=True):
    id: str
    evse: int | None
    """The EVSE that the reader belongs to; None when it serves the whole station."""
    token_type: str = "ISO14443"  # noqa: S105 - a type name of IdTokenEnum, not a secret
    more_types: tuple[str, ...] = ()
    """What else it can read; simulated readers take a type with each token."""
    normalise: tuple[str, ...] = ()
    """Steps of `hal.tokens`, in order; empty: those that the type of the token asks for."""


class Quantity(StrEnum):
    """What a meter can tell, by the fields of MeterReading that it fills."""

    IMPORT = "import"  # energy_wh
    IMPORT_BY_PHASE = "import_by_phase"
    EXPORT = "export"  # export_wh, and power that may flow back
    REACTIVE_ENERGY = "reactive_energy"
    POWER = "power"
    POWER_BY_PHASE = "power_by_phase"
    CURRENT = "current"
    VOLTAGE = "voltage"
    FREQUENCY = "frequency"
    REACTIVE_POWER = "reactive_power"
    POWER_FACTOR = "power_factor"
    SOC = "soc"


class MeterDescription(Struct, frozen=True):
    """What one meter tells; the fields of its readings for anything else stay empty."""

    quantities: frozenset[Quantity] = frozenset(Quantity)
    resolution_wh: int = 1
    """The steps in which its registers count."""
    signs: bool = False
    """It can sign what it counts (`hal.devices.SigningMeter`)."""


class MainMeterDescription(Struct, frozen=True):
    """The meter at the station's connection to the grid; it is read as EVSE 0."""

    phases: int
    max_current_a: float
    nominal_voltage_v: float = 230.0
    meter: MeterDescription = MeterDescription()

    @property
    def max_power_w(self) -> float:
        return self.max_current_a * self.nominal_voltage_v * self.phases


class EvseDescription(Struct, frozen=True):
    id: int
    connectors: tuple[ConnectorDescription, ...]
    max_current_a: float
    phases: int
    min_current_a: float = 6.0
    nominal_voltage_v: float = 230.0
    has_meter: bool = True
    meter: MeterDescription = MeterDescription()
    """What its meter tells, if it has one."""
    signs: bool = False
    """The meter can sign what it measures (`Board.sign`)."""
    has_bay_sensor: bool = False
    allows_ventilation: bool = False
    """Pilot state D may charge (the room is ventilated)."""
    has_start_button: bool = False

    @property
    def max_power_w(self) -> float:
        return self.max_current_a * self.nominal_voltage_v * self.phases


class BoardDescription(Struct, frozen=True):
    """What hardware there is; it does not change while the process runs."""

    evses: tuple[EvseDescription, ...]
    readers: tuple[ReaderDescription, ...] = ()
    terminals: tuple[TerminalDescription, ...] = ()
    vendor: str = "joulepost"
    model: str = "board"
    serial_number: str = ""
    main_meter: MainMeterDescription | None = None


class EvseSetpoint(Struct, frozen=True):
    """What the core wants of one EVSE; it replaces the one before as a whole."""

    evse: int
    seq: int = 0
    limit_a: float = 0.0
    phases: int = 3
    power: Power = Power.OPEN_NOW
    lock: bool = False
    available: bool = True
    """False: the EVSE shows itself out of service (pilot state F where the board can)."""
    permit_until: float = float("-inf")
    """The contactor may be closed only before this moment, at most LEASE_S ahead."""


class EvseReport(Struct, frozen=True):
    """The state of one EVSE as the board sees it; posted when any field but *at* changes."""

    evse: int
    at: float
    pilot: PilotState = PilotState.A
    connector: int | None = None
    """The connector in use: the one with a cable in its socket, or a fixed cable with an EV."""
    plugged: bool = False
    """A cable is in the station's socket (fixed cable: the EV is connected)."""
    cable_max_a: float | None = None
    """What the proximity pilot says the cable may carry; None for a fixed cable or no cable."""
    contactor_closed: bool = False
    locked: bool = False
    offering: bool = False
    """The pilot carries an offer (PWM on)."""
    drawing: bool = False
    """Energy flows: the contactor is closed and the EV takes current."""
    bay_occupied: bool | None = None
    faults: frozenset[Fault] = frozenset()
    applied_seq: int = 0
    """Sequence number of the setpoint that the board acts on."""
    limit_a: float = 0.0
    """The current the board offers now (0 while it offers none)."""


Registers = tuple[int | None, ...]
"""Every counter of a meter: import, export, reactive import and export, import of L1, L2, L3.

None: the meter has no such counter. Wh and varh.
"""

PHASES = 3


class MeterReading(Struct, frozen=True):
    """One consistent reading of one meter.

    A board publishes only what `hal.registers` has found plausible: registers are whole, and
    what they count from one reading to the next is what flowed; `carried` says so where a
    register itself fell or leapt.
    """

    evse: int
    """0: the main meter. A board fills it in; a driver may say anything."""
    at: float
    energy_wh: int
    power_w: float
    """Negative: it flows back."""
    current_a: tuple[float, ...]
    """Per phase, L1 first; never negative, the power tells the direction."""
    voltage_v: tuple[float, ...]
    """Per phase against neutral, L1 first."""
    frequency_hz: float | None = None
    soc_percent: float | None = None
    """State of charge of the EV, where something can tell."""
    export_wh: int | None = None
    energy_by_phase_wh: tuple[int, ...] = ()
    """Imported energy per phase, L1 first; empty when the meter counts the total only."""
    power_by_phase_w: tuple[float, ...] = ()
    reactive_import_varh: int | None = None
    reactive_export_varh: int | None = None
    reactive_power_var: float | None = None
    """Positive: inductive, imported."""
    power_factor: float | None = None
    carried: Registers = ()
    """What must be added to each register so that differences are right over the life of the
    process: what an exchanged meter, or a register that rolled over, had counted before.
    Empty: nothing."""

    @property
    def registers(self) -> Registers:
        by_phase = (*self.energy_by_phase_wh[:PHASES], None, None, None)[:PHASES]
        return (
            self.energy_wh,
            self.export_wh,
            self.reactive_import_varh,
            self.reactive_export_varh,
            *by_phase,
        )

    @property
    def counted(self) -> Registers:
        """The registers with what is carried: differences of these are energy."""
        return plus(self.registers, self.carried)


def plus(registers: Registers, more: Registers) -> Registers:
    """Register by register; what *more* does not say counts as 0."""
    if not more:
        return registers
    return tuple(
        register if register is None or index >= len(more) else register + (more[index] or 0)
        for index, register in enumerate(registers)
    )


def minus(registers: Registers, less: Registers) -> Registers:
    """Register by register; what *less* does not say counts as 0."""
    return plus(registers, tuple(-(each or 0) for each in less))


class SignMoment(StrEnum):
    """What a signed data set is for; a meter may need to be told (OCMF: transaction flags)."""

    BEGIN = "begin"
    UPDATE = "update"
    END = "end"


class SignedReading(Struct, frozen=True):
    """A data set that the meter itself has signed; it travels byte for byte."""

    evse: int
    at: float
    """When the meter froze its register for it."""
    energy_wh: int
    """The import register that was signed."""
    data: str
    signing_method: str
    """Of SignedMeterValueType, e.g. "ECDSA-secp256r1-SHA256"; may be empty (it is in the data)."""
    encoding_method: str
    """Of SignedMeterValueType, e.g. "OCMF"."""
    public_key: str
    """As SignedMeterValueType wants it: "oca:base16:asn1:" and the key."""


class TokenPresented(Struct, frozen=True):
    """A token was shown to a reader, or typed at one."""

    at: float
    reader: str
    evse: int | None
    id_token: str
    """Normalised (`hal.tokens`)."""
    type: str

    def __repr__(self) -> str:
        return f"TokenPresented({self.at}, {self.reader!r}, {self.evse}, {self.type!r}, redacted)"


class TokenUnreadable(Struct, frozen=True):
    """What a reader gave cannot be a token; it goes no further."""

    at: float
    reader: str
    evse: int | None
    why: str
    """Never the text itself."""


class ReaderStatus(Struct, frozen=True):
    """A reader does not answer any more, or answers again."""

    at: float
    reader: str
    evse: int | None
    problem: str
    """Empty: it answers."""


class ButtonKind(StrEnum):
    START = "start"
    STOP = "stop"
    EMERGENCY = "emergency"


class ButtonPressed(Struct, frozen=True):
    """The start or stop button of an EVSE (the emergency button is a fault, EMERGENCY_STOP)."""

    at: float
    evse: int
    kind: ButtonKind


Change = (
    EvseReport
    | TokenPresented
    | TokenUnreadable
    | ReaderStatus
    | ButtonPressed
    | CardPresented
    | CardDeclined
)


class CommandKind(StrEnum):
    UNLOCK = "unlock"
    SELF_TEST = "self_test"
    INTERRUPT_PILOT = "interrupt_pilot"
    RESET_FAULTS = "reset_faults"


class CommandResult(Enum):
    DONE = "done"
    FAILED = "failed"
    UNSUPPORTED = "unsupported"


class Board(Protocol):
    """The hardware of a station. Methods are called by the core; none of them waits."""

    description: BoardDescription

    def start(self, on_change: Callable[[Change], None]) -> None:
        """Begin; *on_change* may be called from any thread and only ever posts.

        Every EVSE is reported once at the start, then whenever it changes.
        """
        ...

    def apply(self, setpoint: EvseSetpoint) -> None:
        """Replace the setpoint of one EVSE. Opening and lowering take effect within one poll."""
        ...

    def renew(self, evse: int, permit_until: float) -> None:
        """Move `permit_until` of the setpoint in force, everything else unchanged."""
        ...

    def polled_at(self, evse: int) -> float:
        """When the board last looked at the pilot and the contactor of this EVSE."""
        ...

    def alive_at(self) -> float:
        """When the thread of the board last went round; devices that fail do not hold it up."""
        ...

    def reading(self, evse: int) -> MeterReading | None:
        """The latest reading of the EVSE's meter; None before the first or without a meter.

        EVSE 0 is the main meter of the station (`BoardDescription.main_meter`). The reading's
        `at` says how old it is; a meter that stopped answering, or says what cannot be, keeps
        its last good reading and raises METER_SILENT.
        """
        ...

    def sign(
        self,
        evse: int,
        moment: SignMoment,
        identification: str,
        on_result: Callable[[SignedReading | None], None],
    ) -> None:
        """Have the meter sign its register as it is now; takes up to seconds.

        *identification* is who charges, as it may stand in the data set (may be empty).
        BEGIN may be asked only after the END of the transaction before was answered. An END
        may be asked again, and is answered alike if the meter still knows it.
        *on_result* is called once, from any thread; None: the meter cannot, or did not within
        SIGNING_S.
        """
        ...

    def command(
        self,
        kind: CommandKind,
        evse: int,
        connector: int | None,
        on_result: Callable[[CommandResult], None],
    ) -> None:
        """Do a pulse (unlock, self-test …); *on_result* is called once, from any thread."""
        ...

    def show_payable(self, terminal: str, evses: tuple[int, ...]) -> None:
        """Let the terminal take cards for these EVSEs and no others; replaces the last word."""
        ...

    def tell_payment(self, news: PaymentNews, on_result: Callable[[bool], None]) -> None:
        """Tell the terminal what has become of a payment.

        *on_result* is called once, from any thread; False: the terminal does not have it, and
        is to be told again later.
        """
        ...

    def stop(self) -> bool:
        """Open every contactor and stop; True when all are confirmed open within 1 s."""
        ...
