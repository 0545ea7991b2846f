"""What is to be signed, and when the public key goes along: the variables, in questions."""

from hal.api import SignedReading
from station.blocks.metering.sessions import Sessions
from station.blocks.metering.sign_settings import (
    ALIGNED_SIGNED,
    ALIGNED_UPDATED_SIGNED,
    KEY_MODE,
    SAMPLED_SIGNED,
    STARTED_SIGNED,
    UPDATED_SIGNED,
    KeyMode,
)
from station.blocks.metering.signatures import Tell, Wanted, to_signed_value
from station.device_model import DeviceModel
from station.ocpp.messages.common import ReadingContext, SignedMeterValue
from station.ocpp.messages.transactions import TransactionEvent

BOUNDS = frozenset({ReadingContext.TRANSACTION_BEGIN, ReadingContext.TRANSACTION_END})


class SignChoice:
    def __init__(self, variables: DeviceModel, sessions: Sessions) -> None:
        self._variables, self._sessions = variables, sessions
        self._told_without_session: set[str] = set()

    @property
    def signs_transactions(self) -> bool:
        return self._variables[SAMPLED_SIGNED]

    def outside(self, _: ReadingContext) -> bool:
        """Whether readings outside of transactions are signed. J01.FR.21"""
        return self._variables[ALIGNED_SIGNED]

    def inside(self, kind: TransactionEvent) -> Wanted:
        """Which samples of such an event are signed. J01.FR.21, J02.FR.21"""
        return lambda context: self._is_wanted(context, kind)

    def _is_wanted(self, context: ReadingContext, kind: TransactionEvent) -> bool:
        ended, variables = kind is TransactionEvent.ENDED, self._variables
        if context is ReadingContext.SAMPLE_CLOCK:
            return variables[ALIGNED_SIGNED] and (ended or variables[ALIGNED_UPDATED_SIGNED])
        if not variables[SAMPLED_SIGNED]:
            return False
        if context is ReadingContext.TRANSACTION_BEGIN:
            return ended or variables[STARTED_SIGNED]
        return ended or variables[UPDATED_SIGNED]

    # -- the key

    def tell(self, transaction_id: str, signed: SignedReading) -> Tell:
        """How *signed* is told in this transaction, sample by sample."""

        def told(context: ReadingContext) -> SignedMeterValue | None:
            return to_signed_value(signed, with_key=self._with_key(transaction_id, context))

        return told

    def tell_outside(self, signed: SignedReading) -> Tell:
        every = self._variables[KEY_MODE] is KeyMode.EVERY_METER_VALUE
        return lambda _: to_signed_value(signed, with_key=every)

    def forget(self, transaction_id: str) -> None:
        self._told_without_session.discard(transaction_id)

    def _with_key(self, transaction_id: str, context: ReadingContext) -> bool:
        mode: KeyMode = self._variables[KEY_MODE]
        if mode is not KeyMode.ONCE_PER_TRANSACTION:
            return mode is KeyMode.EVERY_METER_VALUE
        if self._sessions.find(transaction_id) is not None:
            # What lies between begin and end may be thinned while offline, the key with it.
            return context in BOUNDS and self._sessions.tell_key(transaction_id)
        told = transaction_id in self._told_without_session
        self._told_without_session.add(transaction_id)
        return not told
