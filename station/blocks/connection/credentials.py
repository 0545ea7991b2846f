"""The password for HTTP Basic authentication (A01): changed durably, told to nobody."""

import hashlib
import logging
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from station.context import Context
from station.device_model import INVALID_VALUE, Mutability, Text, ValueRefused, Variable
from station.events import SecurityHappened
from station.records import Record, Table
from station.rules import MAX_PASSWORD, MIN_PASSWORD, check_password

log = logging.getLogger(__name__)

BASIC_AUTH_PASSWORD = Variable(
    "SecurityCtrlr",
    "BasicAuthPassword",
    Text(max_length=MAX_PASSWORD, min_length=MIN_PASSWORD),
    mutability=Mutability.WRITE_ONLY,
    secret=True,
)
DENIALS = 2
"""After so many refusals of the new password in a row, the one before is tried in turn."""


class CredentialRow(Record, frozen=True, kw_only=True):
    """The password in force, and the one before it until the new one has worked."""

    password: str
    previous: str = ""
    configured_hash: str = ""
    name: str = "basic"

    def __repr__(self) -> str:
        return "CredentialRow(redacted)"


CREDENTIALS = Table("credential", CredentialRow, lambda row: row.name)


class Credentials:
    """Knows which password to send next."""

    def __init__(self, context: Context, on_changed: Callable[[], Any]) -> None:
        self._context, self._on_changed = context, on_changed
        self._rows = context.store.table(CREDENTIALS)
        self._denied = 0
        self._sent_previous = False
        context.variables.declare(BASIC_AUTH_PASSWORD)
        context.variables.validate(BASIC_AUTH_PASSWORD, _check)
        context.variables.watch(BASIC_AUTH_PASSWORD, self._set)

    def configure(self, password: str, *, first_only: bool) -> None:
        """What the installer wrote counts at the first start, and when he has changed it."""
        row = self._rows.get("basic")
        preset = self._context.variables.find(BASIC_AUTH_PASSWORD)
        if row is None and preset:
            password = preset
        if not password:
            return
        digest = hashlib.sha256(password.encode()).hexdigest()
        if row is None or (not first_only and row.configured_hash != digest):
            self._rows.put(CredentialRow(password=password, configured_hash=digest))

    def next_password(self) -> str:
        """A01: the new one; after repeated refusals the old one too, as a last resort."""
        row = self._rows.get("basic")
        if row is None:
            return ""
        turn = self._denied >= DENIALS and self._denied % 2 == 0
        self._sent_previous = bool(row.previous) and turn
        return row.previous if self._sent_previous else row.password

    def denied(self) -> None:
        """The CSMS refused what `next_password` gave."""
        self._denied += 1

    def worked(self) -> None:
        """The CSMS took it: the other one is forgotten."""
        self._denied = 0
        row = self._rows.get("basic")
        if row is None or not row.previous:
            return
        if self._sent_previous:
            log.warning("the CSMS knows only the previous password; it stays in force")
            row = replace(row, password=row.previous)
        self._rows.put(replace(row, previous=""))

    def _set(self, _: int | None, password: str | None) -> None:
        """A01.FR.01: durable before the answer, in one unit with it; then reconnect."""
        row = self._rows.get("basic")
        if password is None or (row is not None and row.password == password):
            return
        before = row or CredentialRow(password="")
        self._rows.put(replace(before, password=password, previous=before.password))
        self._denied = 0
        self._context.events.publish(  # A01.FR.11: the change, never the content (A01.FR.12)
            SecurityHappened("ReconfigurationOfSecurityParameters", "BasicAuthPassword")
        )
        self._on_changed()


def _check(password: str) -> None:
    try:
        check_password(password)
    except ValueError as error:
        raise ValueRefused(INVALID_VALUE, str(error)) from error
