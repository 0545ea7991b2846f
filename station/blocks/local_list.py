"""Functional block D, LocalAuthorizationList: tokens that the CSMS has told in advance.

Theory of operation. A token belongs to one of `SHARDS` rows, by a checksum; a row holds the
infos of its tokens as JSON, of which nothing is decoded but what is looked up. So 100,000 tokens
are a few thousand objects, and a boot decodes none of them. A full update begins a new generation
of rows with one unit; what is left of older generations no longer counts, and is swept away in
small turns.
"""

import logging
import zlib
from collections.abc import Sequence

import msgspec
from msgspec import UNSET, Raw, Struct
from msgspec.structs import replace

from station.charging.queries import KnownToken
from station.charging.rows import TokenRow, token_key
from station.clock import Trust
from station.context import Context
from station.device_model import Boolean, Integer, Mutability, Variable
from station.ocpp.messages.common import AuthorizationStatus, IdTokenInfo, StatusInfo
from station.ocpp.messages.local_auth_list import (
    AuthorizationData,
    GetLocalListVersionRequest,
    GetLocalListVersionResponse,
    SendLocalListRequest,
    SendLocalListResponse,
    SendLocalListStatus,
    Update,
)
from station.ocpp.types import CustomData, or_default
from station.reactor import Timer
from station.records import Record, Table

log = logging.getLogger(__name__)

MAX_ENTRIES = 100_000
MAX_STORAGE_B = 32 * 1024 * 1024
"""Of JSON: 335 bytes for each of `MAX_ENTRIES`; a token with status, group and expiry takes 170."""
SHARDS = 8192
SWEEP_ROWS = 200
SWEEP_PAUSE_S = 0.1
"""So many rows of older generations are removed in one turn, and so long is it to the next."""

COMPONENT = "LocalAuthListCtrlr"
AVAILABLE = Variable(
    COMPONENT, "Available", Boolean(), default=True, mutability=Mutability.READ_ONLY, constant=True
)
ENABLED = Variable(COMPONENT, "Enabled", Boolean(), default=True)
DISABLE_POST_AUTHORIZE = Variable(COMPONENT, "DisablePostAuthorize", Boolean(), default=False)
SUPPORTS_EXPIRY = Variable(
    COMPONENT,
    "SupportsExpiryDateTime",
    Boolean(),
    default=True,
    mutability=Mutability.READ_ONLY,
)
ITEMS_PER_MESSAGE = Variable(
    COMPONENT,
    "ItemsPerMessage",
    Integer(min=1, max=250),  # at most 10 ms of the core's time
    default=250,
    mutability=Mutability.READ_ONLY,
)
BYTES_PER_MESSAGE = Variable(
    COMPONENT,
    "BytesPerMessage",
    Integer(unit="B", min=1, max=131072),
    default=131072,
    mutability=Mutability.READ_ONLY,
)
ENTRIES = Variable(
    COMPONENT, "Entries", Integer(), mutability=Mutability.READ_ONLY, measured=True
)  # D01.FR.12
STORAGE = Variable(
    COMPONENT, "Storage", Integer(unit="B"), mutability=Mutability.READ_ONLY, measured=True
)


class LocalListRow(Record, frozen=True, kw_only=True):
    """What is said of the list as a whole; version 0: the CSMS has never sent one."""

    version: int = 0
    generation: int = 0
    """Of the rows that count."""
    entries: int = 0
    size: int = 0
    """Bytes of all entries as JSON, in the rows that hold them."""


class ShardRow(Record, frozen=True, kw_only=True, gc=False):
    """Some tokens of the list: IdTokenInfo by `token_key`, as a JSON object."""

    generation: int
    shard: int
    infos: Raw


LIST = Table("local_list", LocalListRow, lambda _: "list")
SHARD = Table("local_list_shard", ShardRow, lambda row: _row_key(row.generation, row.shard))

_decode_infos = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_info = msgspec.json.Decoder(IdTokenInfo, dec_hook=lambda _, value: CustomData(value)).decode
_encode = msgspec.json.Encoder().encode


class Change(Struct, frozen=True):
    """What an update would make of the list."""

    head: LocalListRow
    shards: Sequence[ShardRow]


class LocalList:
    """Holds the list, and tells what it says of a token."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._heads = context.store.table(LIST)
        self._shards = context.store.table(SHARD)
        self._sweeper: Timer | None = None
        self._declare()
        context.queries.known_token.register(self.known_token)
        context.queries.personal_data.append(self)
        context.csms.answer(SendLocalListRequest, self.send_local_list)
        context.csms.answer(GetLocalListVersionRequest, self.get_local_list_version)
        self._sweep_later()  # a restart may have come between the update and the sweep

    def known_token(self, token: TokenRow) -> KnownToken | None:
        """What the list says; None while it is disabled, and of a token that is not in it.

        Without a trusted clock no entry counts as expired: a station that cannot know the time
        goes on to serve its drivers.
        """
        variables = self._context.variables
        if not variables[ENABLED]:  # D01.FR.13
            return None
        info = self.find(token)
        if info is None:
            return None
        if variables[SUPPORTS_EXPIRY] and self._has_expired(info):
            # C13.FR.05, C13.FR.06, C14.FR.05; DisablePostAuthorize is about other statuses only
            return KnownToken(info=info, valid=False, recheck=True, listed=True)
        valid = info.status is AuthorizationStatus.ACCEPTED
        recheck = not valid and not variables[DISABLE_POST_AUTHORIZE]  # C14.FR.03
        return KnownToken(info=info, valid=valid, recheck=recheck, listed=True)

    def find(self, token: TokenRow) -> IdTokenInfo | None:
        """The entry of *token*, whether or not the list is enabled."""
        key = token_key(token.id_token, token.type)
        row = self._shards.get(_row_key(self._head.generation, _shard(key)))
        raw = None if row is None else _decode_infos(row.infos).get(key)
        return None if raw is None else _decode_info(raw)

    def about(self, token: TokenRow) -> list[str]:
        """N09.FR.05"""
        info = self.find(token)
        return [] if info is None else [f"local authorization list: {info.status}"]

    def forget(self, token: TokenRow) -> list[str]:
        """N10.FR.03, N10.FR.06: only SendLocalList changes the list (D01.FR.09)."""
        return [f"kept until SendLocalList removes it: {line}" for line in self.about(token)]

    def get_local_list_version(self, _: GetLocalListVersionRequest) -> GetLocalListVersionResponse:
        enabled = self._context.variables[ENABLED]
        # D02.FR.01, D02.FR.02, D02.FR.03
        return GetLocalListVersionResponse(version_number=self._head.version if enabled else 0)

    def send_local_list(self, request: SendLocalListRequest) -> SendLocalListResponse:
        """Replaces or changes the list as a whole, or leaves it as it was (D01.FR.02)."""
        refusal = self._refusal(request)
        if refusal is None:
            change = self._change(request)
            refusal = _excess(change.head)
            if refusal is None:
                return self._apply(change)
        log.warning("an update of the local authorisation list was refused: %s", _why(refusal))
        return refusal

    # -- updating

    def _refusal(self, request: SendLocalListRequest) -> SendLocalListResponse | None:
        """What is wrong with the request itself."""
        variables, full = self._context.variables, request.update_type is Update.FULL
        entries = or_default(request.local_authorization_list, ())
        if not variables[ENABLED]:
            return _failed("NotEnabled", "LocalAuthListCtrlr.Enabled is false")
        if not full and request.version_number <= self._head.version:  # D01.FR.19
            return _failed(
                "ValueTooLow",
                f"the list has version {self._head.version}",
                SendLocalListStatus.VERSION_MISMATCH,
            )
        if request.version_number <= 0:  # D01.FR.18: 0 would say that there is no list
            return _failed("ValuePositiveOnly", "versionNumber must be greater than 0")
        limit = variables[ITEMS_PER_MESSAGE]
        if len(entries) > limit:  # D01.FR.11
            return _failed("TooManyElements", f"at most {limit} entries in one request")
        limit = variables[BYTES_PER_MESSAGE]
        if len(_encode(request)) > limit:  # D01.FR.11
            return _failed("TooLargeElement", f"at most {limit} bytes in one request")
        if len({_key(entry) for entry in entries}) < len(entries):  # D01.FR.06
            return _failed("InvalidValue", "an idToken is in the request more than once")
        if full and any(entry.id_token_info is UNSET for entry in entries):
            return _failed("MissingParam", "a full list needs the idTokenInfo of every entry")
        return None

    def _change(self, request: SendLocalListRequest) -> Change:
        head = replace(self._head, version=request.version_number)  # D01.FR.01, D01.FR.05
        if request.update_type is Update.FULL:  # D01.FR.04, D01.FR.15
            head = replace(head, generation=head.generation + 1, entries=0, size=0)
        by_shard: dict[int, list[AuthorizationData]] = {}
        for entry in or_default(request.local_authorization_list, ()):
            by_shard.setdefault(_shard(_key(entry)), []).append(entry)
        shards, count, size = [], head.entries, head.size
        for shard, entries in by_shard.items():
            old = self._shards.get(_row_key(head.generation, shard))
            infos = {} if old is None else _decode_infos(old.infos)
            before = len(infos)
            _merge(infos, entries)
            row = ShardRow(generation=head.generation, shard=shard, infos=Raw(_encode(infos)))
            count += len(infos) - before
            size += _size(row) - _size(old)
            shards.append(row)
        return Change(replace(head, entries=count, size=size), shards)

    def _apply(self, change: Change) -> SendLocalListResponse:
        """One turn, and so one unit: after a power cut it is the old list or the new one.

        Nothing else writes to the list (D01.FR.09).
        """
        began_anew = change.head.generation != self._head.generation
        self._heads.put(change.head)  # D01.FR.10
        for row in change.shards:
            if _size(row):
                self._shards.put(row)
            else:
                self._shards.delete(SHARD.key(row))
        if began_anew:
            self._sweep_later()
        return SendLocalListResponse(status=SendLocalListStatus.ACCEPTED)

    def _sweep_later(self) -> None:
        if self._sweeper is None or not self._sweeper.active:
            self._sweeper = self._context.reactor.call_later(
                SWEEP_PAUSE_S, self._sweep, source="local-list"
            )

    def _sweep(self) -> None:
        """Remove some rows of older generations."""
        current = self._head.generation
        stale = [row for row in self._shards.all() if row.generation != current]
        for row in stale[:SWEEP_ROWS]:
            self._shards.delete(SHARD.key(row))
        if len(stale) > SWEEP_ROWS:
            self._sweep_later()

    # -- looking

    @property
    def _head(self) -> LocalListRow:
        return self._heads.get("list") or LocalListRow()

    def _has_expired(self, info: IdTokenInfo) -> bool:
        clock, expiry = self._context.clock, info.cache_expiry_date_time
        return expiry is not UNSET and clock.trust is not Trust.NONE and clock.utc() > expiry

    def _declare(self) -> None:
        variables = self._context.variables
        for variable in (AVAILABLE, ENABLED, DISABLE_POST_AUTHORIZE, SUPPORTS_EXPIRY):
            variables.declare(variable)
        for limit in (ITEMS_PER_MESSAGE, BYTES_PER_MESSAGE):
            variables.declare(limit)
        variables.declare(ENTRIES, max=MAX_ENTRIES)
        variables.declare(STORAGE, max=MAX_STORAGE_B)
        variables.provide(ENTRIES, lambda: self._head.entries)
        variables.provide(STORAGE, lambda: self._head.size)


def _merge(infos: dict[str, Raw], entries: Sequence[AuthorizationData]) -> None:
    for entry in entries:
        if entry.id_token_info is UNSET:  # D01.FR.17
            infos.pop(_key(entry), None)
        else:  # D01.FR.16
            infos[_key(entry)] = Raw(_encode(entry.id_token_info))


def _excess(head: LocalListRow) -> SendLocalListResponse | None:
    """The list would be too large."""
    if head.entries > MAX_ENTRIES:
        text = f"the list would have {head.entries} entries, at most {MAX_ENTRIES} are possible"
        return _failed("TooManyElements", text)
    if head.size > MAX_STORAGE_B:
        text = f"the list would need {head.size} bytes, there are {MAX_STORAGE_B}"
        return _failed("OutOfStorage", text)
    return None


def _failed(
    reason_code: str, text: str, status: SendLocalListStatus = SendLocalListStatus.FAILED
) -> SendLocalListResponse:
    info = StatusInfo(reason_code=reason_code, additional_info=text)
    return SendLocalListResponse(status=status, status_info=info)


def _why(refusal: SendLocalListResponse) -> str:
    return "" if refusal.status_info is UNSET else refusal.status_info.reason_code


def _key(entry: AuthorizationData) -> str:
    return token_key(entry.id_token.id_token, entry.id_token.type)


def _shard(key: str) -> int:
    return zlib.crc32(key.encode()) % SHARDS


def _row_key(generation: int, shard: int) -> str:
    return f"{generation}.{shard}"


def _size(row: ShardRow | None) -> int:
    """Bytes of the infos; 0 when there are none."""
    size = 0 if row is None else len(memoryview(row.infos))
    return size if size > len("{}") else 0
