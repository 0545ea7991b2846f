"""Functional block C, Authorization: the cache of what the CSMS has said of tokens (C10, C11).

Tokens are kept as keyed hashes, and of an info no more than a later decision needs. The key
stands in the same database: this hides tokens from whoever only reads a copy of the rows or
compares stations, not from whoever tries every possible card number (C10.FR.12). Groups stay
readable, because blocks compare them with those of reservations and transactions.
"""

import hmac
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import replace

from station.charging.queries import KnownToken
from station.charging.rows import TokenRow, token_key
from station.clock import Trust
from station.context import Context
from station.device_model import Boolean, Integer, Mutability, OptionList, Variable
from station.events import IdTokenInfoReceived, TokenShown
from station.ocpp.messages.authorization import (
    ClearCacheRequest,
    ClearCacheResponse,
    ClearCacheStatus,
)
from station.ocpp.messages.common import AuthorizationStatus, IdTokenInfo, IdTokenType, StatusInfo
from station.records import Record, StoreHealth, Table

log = logging.getLogger(__name__)

MAX_STORAGE_B = 500_000
"""Of rows as JSON: about 2,600 tokens; to clear so many takes 10 ms of the core's time."""
SWEEP_S = 3600.0
"""So often expired entries are looked for; one that is asked for goes at once."""
SWEEP_ROWS = 200
"""At most so many are removed in one turn."""
SWEEP_PAUSE_S = 1.0
KEEP_USE_S = 3600.0
"""The use of an entry alone is written so often at most: an SD card wears."""

NEVER_CACHED = frozenset({IdTokenType.CENTRAL, IdTokenType.NO_AUTHORIZATION})
"""Key codes are kept like other tokens, as hashes (C04.FR.03)."""

COMPONENT = "AuthCacheCtrlr"
AVAILABLE = Variable(
    COMPONENT, "Available", Boolean(), default=True, mutability=Mutability.READ_ONLY, constant=True
)
ENABLED = Variable(COMPONENT, "Enabled", Boolean(), default=True)
DISABLE_POST_AUTHORIZE = Variable(COMPONENT, "DisablePostAuthorize", Boolean(), default=False)
LIFE_TIME = Variable(COMPONENT, "LifeTime", Integer(unit="s", min=1))
"""Without a value entries do not age."""
POLICY = Variable(
    COMPONENT, "Policy", OptionList(("LRU", "LFU", "FIFO", "CUSTOM")), default="CUSTOM"
)
STORAGE = Variable(
    COMPONENT, "Storage", Integer(unit="B"), mutability=Mutability.READ_ONLY, measured=True
)


class CachedRow(Record, frozen=True, kw_only=True):
    """What the CSMS has said of one token last; it outlives power cuts (C10.FR.02)."""

    key: str
    """A keyed hash of its `token_key`, in hexadecimal."""
    info: IdTokenInfo
    updated_at: datetime | None = None
    """None: the clock was not to be trusted."""
    used: int = 0
    """When it was used last, in numbers that only grow."""
    uses: int = 0
    """How often it was shown or told of."""
    size: int = 0
    """Bytes of this row as JSON, without this field."""


class SaltRow(Record, frozen=True, kw_only=True):
    """What this station's hashes are keyed with."""

    salt: str


class Use(Struct):
    """How an entry was used, as far as its row does not say so yet."""

    used: int
    uses: int
    kept_at: float
    """When that was last written, in reactor time."""


CACHED = Table("authorization_cache", CachedRow, lambda row: row.key)
SALT = Table("authorization_cache_salt", SaltRow, lambda _: "salt")


class AuthorizationCache:
    """Remembers tokens, forgets them in time and when space is needed, and is asked for them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._rows = context.store.table(CACHED)
        self._salts = context.store.table(SALT)
        self._last_use = max((row.used for row in self._rows.all()), default=0)
        self._uses: dict[str, Use] = {}
        self._began_at = context.reactor.now()
        for variable in (AVAILABLE, ENABLED, DISABLE_POST_AUTHORIZE):
            context.variables.declare(variable)
        context.variables.declare(LIFE_TIME)
        context.variables.declare(POLICY)
        context.variables.declare(STORAGE, max=MAX_STORAGE_B)
        context.variables.provide(STORAGE, self._size)
        context.queries.known_token.register(self.known_token)
        context.queries.personal_data.append(self)
        context.events.subscribe(IdTokenInfoReceived, self._on_id_token_info_received)
        context.events.subscribe(TokenShown, self._on_token_shown)
        context.csms.answer(ClearCacheRequest, self.clear_cache)
        context.reactor.call_later(SWEEP_S, self._sweep, source="authorization-cache")

    def known_token(self, token: TokenRow) -> KnownToken | None:
        """What is remembered; None while the cache is disabled, and of what it does not know."""
        variables = self._context.variables
        if not variables[ENABLED]:  # C10.FR.11
            return None
        row = self._find(token)
        if row is None:
            return None
        valid = row.info.status is AuthorizationStatus.ACCEPTED
        # C10.FR.03, C12.FR.05
        recheck = not valid and not variables[DISABLE_POST_AUTHORIZE]
        return KnownToken(info=row.info, valid=valid, recheck=recheck, listed=False)

    def find(self, token: TokenRow) -> IdTokenInfo | None:
        """What is kept of *token*, whether or not the cache is enabled."""
        row = self._find(token)
        return None if row is None else row.info

    def about(self, token: TokenRow) -> list[str]:
        """N09.FR.05"""
        info = self.find(token)
        if info is None:
            return []
        group = "" if info.group_id_token is UNSET else f", group {info.group_id_token.id_token}"
        return [f"authorization cache: {info.status}{group}"]

    def forget(self, token: TokenRow) -> list[str]:
        """N10.FR.03: nothing has to stay."""
        row = self._find(token)
        if row is not None:
            self._delete(row)
        return []

    def clear_cache(self, _: ClearCacheRequest) -> ClearCacheResponse:
        """C11.FR.01, C11.FR.02"""
        if not self._context.variables[ENABLED]:  # C11.FR.04
            return _rejected("NotEnabled", "AuthCacheCtrlr.Enabled is false")
        for row in self._rows.all():
            self._delete(row)
        self._salts.delete("salt")  # whatever copies there are, nothing will match them again
        if self._context.store.health is StoreHealth.VOLATILE:  # C11.FR.05
            return _rejected("InternalError", "cleared until the restart: the disk takes nothing")
        return ClearCacheResponse(status=ClearCacheStatus.ACCEPTED)  # C11.FR.03

    # -- remembering

    def _on_id_token_info_received(self, event: IdTokenInfoReceived) -> None:
        """C10.FR.01, C10.FR.04, C10.FR.05, C12.FR.06"""
        if event.type in NEVER_CACHED:  # C02.FR.03, C03.FR.02, C05.FR.02
            return
        key = self._hash(token_key(event.id_token, event.type), create=True)
        known = self._live(key)
        if known is None and not self._context.variables[ENABLED]:
            return  # but what is kept stays true until the cache is enabled again
        row = CachedRow(key=key, info=_without_texts(event.info), updated_at=self._now())
        if self._has_expired(row):  # C10.FR.10: so the CSMS says that it must not be kept
            if known is not None:
                self._delete(known)
            return
        self._last_use += 1
        uses = 0 if known is None else self._use_of(known).uses
        self._put(replace(row, used=self._last_use, uses=uses + 1))

    def _put(self, row: CachedRow) -> None:
        row = _sized(row)
        self._make_room(row)
        self._keep(row)

    def _keep(self, row: CachedRow) -> None:
        self._rows.put(row)
        self._uses[row.key] = Use(row.used, row.uses, self._context.reactor.now())

    def _make_room(self, row: CachedRow) -> None:
        """C10.FR.07: for *row*, which may replace an older one of itself."""
        known = self._rows.get(row.key)
        excess = self._size() + row.size - (known.size if known else 0) - MAX_STORAGE_B
        if excess <= 0:
            return
        others = [each for each in self._rows.all() if each.key != row.key]
        for victim in sorted(others, key=self._ranking()):
            self._delete(victim)
            excess -= victim.size
            if excess <= 0:
                return

    def _ranking(self) -> Callable[[CachedRow], tuple[int, ...]]:
        """By what an entry is worth: the least goes first, of equals the one put first."""
        expired, use_of, policy = self._judge(), self._use_of, self._context.variables[POLICY]

        def worth(row: CachedRow) -> tuple[int, ...]:
            if expired(row):
                return (0,)
            use = use_of(row)
            match policy:
                case "LRU":
                    return 1, use.used
                case "LFU":
                    return 1, use.uses, use.used
                case "FIFO":
                    return (1,)
            return 1, row.info.status is AuthorizationStatus.ACCEPTED, use.used

        return worth

    def _delete(self, row: CachedRow) -> None:
        self._rows.delete(row.key)
        self._uses.pop(row.key, None)

    # -- using

    def _find(self, token: TokenRow) -> CachedRow | None:
        return self._live(self._hash(token_key(token.id_token, token.type)))

    def _live(self, key: str) -> CachedRow | None:
        """What is kept under *key*; what has expired goes at once."""
        row = self._rows.get(key)
        if row is not None and self._has_expired(row):
            self._delete(row)
            return None
        return row

    def _use_of(self, row: CachedRow) -> Use:
        return self._uses.get(row.key) or Use(row.used, row.uses, self._began_at)

    def _on_token_shown(self, event: TokenShown) -> None:
        """Remember the use of what is kept; on the disk with the next occasion, or in an hour."""
        row = self._rows.get(self._hash(token_key(event.token.id_token, event.token.type)))
        if row is None or not self._context.variables[ENABLED]:
            return
        use = self._uses.setdefault(row.key, self._use_of(row))
        self._last_use += 1
        use.used, use.uses = self._last_use, use.uses + 1
        if self._context.reactor.now() - use.kept_at >= KEEP_USE_S:
            self._keep(_sized(replace(row, used=use.used, uses=use.uses)))

    # -- time

    def _now(self) -> datetime | None:
        """UTC; None while nobody can vouch for it."""
        clock = self._context.clock
        return None if clock.trust is Trust.NONE else clock.utc()

    def _has_expired(self, row: CachedRow) -> bool:
        return self._judge()(row)

    def _judge(self) -> Callable[[CachedRow], bool]:
        """Tells what has expired by now.

        Without a trusted clock nothing expires: the station goes on to serve its drivers.
        LifeTime counts from the last update, as the erratum on C10.FR.10 has it.
        """
        now, life_s = self._now(), self._context.variables.find(LIFE_TIME)  # C10.FR.08
        oldest = None if now is None or life_s is None else now - timedelta(seconds=life_s)

        def has_expired(row: CachedRow) -> bool:
            expiry = row.info.cache_expiry_date_time
            if expiry is not UNSET:  # C10.FR.13
                return now is not None and now > expiry
            # C10.FR.10
            return oldest is not None and row.updated_at is not None and row.updated_at < oldest

        return has_expired

    def _sweep(self) -> None:
        """Remove what has expired; what was updated at an unknown time ages from now on."""
        now, has_expired, written = self._now(), self._judge(), 0
        for row in self._rows.all():
            if has_expired(row):
                self._delete(row)
            elif now is not None and (row.updated_at is None or row.updated_at > now):
                self._rows.put(_sized(replace(row, updated_at=now)))
            else:
                continue
            written += 1
            if written == SWEEP_ROWS:
                break
        pause_s = SWEEP_S if written < SWEEP_ROWS else SWEEP_PAUSE_S
        self._context.reactor.call_later(pause_s, self._sweep, source="authorization-cache")

    # -- keeping

    def _size(self) -> int:
        return sum(row.size for row in self._rows.all())

    def _hash(self, key: str, *, create: bool = False) -> str:
        """Empty while there is no salt: nothing was ever kept."""
        row = self._salts.get("salt")
        if row is None:
            if not create:
                return ""
            # Version 4 UUIDs hold 122 bits each, in production of the operating system's best.
            row = SaltRow(salt=self._context.new_id() + self._context.new_id())
            self._salts.put(row)
        return hmac.digest(row.salt.encode(), key.encode(), "sha256").hex()[:32]


def _without_texts(info: IdTokenInfo) -> IdTokenInfo:
    """No message for the driver, which may tell a tariff, and nothing of the vendor's own.

    C10.FR.09
    """
    group = info.group_id_token
    if group is not UNSET:
        group = replace(group, additional_info=UNSET, custom_data=UNSET)
    return replace(info, personal_message=UNSET, custom_data=UNSET, group_id_token=group)


def _sized(row: CachedRow) -> CachedRow:
    return replace(row, size=len(msgspec.json.encode(replace(row, size=0))))


def _rejected(reason_code: str, text: str) -> ClearCacheResponse:
    info = StatusInfo(reason_code=reason_code, additional_info=text)
    return ClearCacheResponse(status=ClearCacheStatus.REJECTED, status_info=info)
