"""The password for HTTP Basic authentication (A01): changed durably, told to nobody.

Theory of operation. A change keeps the password of before until the new one has worked. The
new one is always tried first; when the CSMS has refused it DENIALS times in a row through a
slot, every second attempt through that slot shows the old one. Whichever is let in first stays
in force and the other is forgotten. Refusals are not remembered over a restart, passwords are.
"""

import hashlib
import logging
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from station.context import Context
from station.device_model import INVALID_VALUE, Mutability, Text, ValueRefused, Variable
from station.events import SecurityHappened
from station.records import Record, StoreHealth, Table
from station.rules import MAX_PASSWORD, MIN_PASSWORD, check_password

log = logging.getLogger(__name__)

BASIC_AUTH_PASSWORD = Variable(
    "SecurityCtrlr",
    "BasicAuthPassword",
    Text(max_length=MAX_PASSWORD, min_length=MIN_PASSWORD),
    default="",
    mutability=Mutability.WRITE_ONLY,
    secret=True,
)
DENIALS = 2
"""After so many refusals of the new password in a row, the one before is tried in turn."""
NAME = "basic"


class CredentialRow(Record, frozen=True, kw_only=True):
    """The password in force, and the one before it until the new one has worked."""

    password: str = ""
    previous: str = ""
    configured_hash: str = ""
    """Of the password file, when it was last read."""
    variable_hash: str = ""
    """Of what configuration or preset said of the variable, when they were last read."""
    name: str = NAME

    def __repr__(self) -> str:
        return "CredentialRow(redacted)"


CREDENTIALS = Table("credential", CredentialRow, lambda row: row.name)


class Credentials:
    """Knows which password to send next."""

    def __init__(self, context: Context, on_changed: Callable[[], Any]) -> None:
        self._context, self._on_changed = context, on_changed
        self._rows = context.store.table(CREDENTIALS)
        self._denied: dict[str, int] = {}
        context.variables.declare(BASIC_AUTH_PASSWORD)
        self._configured = False
        context.variables.validate(BASIC_AUTH_PASSWORD, self._check)
        context.variables.watch(BASIC_AUTH_PASSWORD, self._set)

    def configure(self, password: str, *, first_only: bool) -> None:
        """What installer or manufacturer wrote counts at the first start, and when it changes.

        The variable is more exact than the password file: it wins when both are new.
        """
        known = self._rows.get(NAME)
        row = known or CredentialRow()
        preset = self._context.variables.find(BASIC_AUTH_PASSWORD) or ""
        takes = known is None or not first_only
        if takes and password and row.configured_hash != _hash(password):
            row = replace(row, password=password, previous="", configured_hash=_hash(password))
        if takes and preset and row.variable_hash != _hash(preset):
            row = replace(row, password=preset, previous="", variable_hash=_hash(preset))
        if row != (known or CredentialRow()):
            self._rows.put(row)
        if known is not None and row.password != known.password:
            self._tell("BasicAuthPassword by configuration")
        self._show(row)
        self._configured = True

    def next_password(self, slot: str) -> str:
        """A01: the new one; after repeated refusals the old one too, as a last resort."""
        row = self._rows.get(NAME) or CredentialRow()
        denied = self._denied.get(slot, 0)
        last_resort = row.previous and denied >= DENIALS and (denied - DENIALS) % 2 == 0
        return row.previous if last_resort else row.password

    def denied(self, slot: str) -> None:
        """The CSMS refused what `next_password` gave."""
        self._denied[slot] = self._denied.get(slot, 0) + 1

    def worked(self, password: str) -> None:
        """The CSMS took *password*, which `next_password` gave: the other one is forgotten."""
        self._denied.clear()
        row = self._rows.get(NAME)
        if row is None or not row.previous:
            return
        if password not in (row.previous, row.password):
            return  # it was changed while this connection was being made
        if password == row.previous:
            log.warning("the CSMS knows only the previous password; it stays in force")
            self._tell("BasicAuthPassword: the previous one is in force again")
        row = replace(row, password=password, previous="")
        self._rows.put(row)
        self._show(row)

    def _check(self, password: str) -> None:
        try:
            check_password(password)
        except ValueError as error:
            raise ValueRefused(INVALID_VALUE, str(error)) from error
        if self._configured and self._context.store.health is StoreHealth.VOLATILE:
            # A01.FR.03: the CSMS would forget the old one, and the station the new one
            raise ValueRefused("OutOfStorage", "the station cannot keep anything now")

    def _set(self, _: int | None, password: str | None) -> None:
        """A01.FR.01: durable before the answer, in one unit with it; then reconnect."""
        row = self._rows.get(NAME) or CredentialRow()
        if not password or row.password == password:
            return
        self._rows.put(replace(row, password=password, previous=row.password))
        self._denied.clear()
        self._tell("BasicAuthPassword")  # A01.FR.11: the change, never the content (A01.FR.12)
        self._on_changed()

    def _show(self, row: CredentialRow) -> None:
        """The variable holds what is in force, so that setting anything else is a change."""
        if row.password:
            self._context.variables.update(BASIC_AUTH_PASSWORD, row.password)

    def _tell(self, what: str) -> None:
        self._context.events.publish(SecurityHappened("ReconfigurationOfSecurityParameters", what))


def _hash(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()
