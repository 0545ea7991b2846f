"""Who knocks at the bench CSMS: the station id in the path, the user and password in the header."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

MAX_ID_LENGTH = 48  # identifierString of the station's identity


def station_of(path: str) -> str | None:
    """The percent-decoded last segment of *path*, or None if that can be no station id."""
    try:
        station = unquote(urlsplit(path).path.rpartition("/")[2], errors="strict")
    except (UnicodeDecodeError, ValueError):
        return None
    usable = 0 < len(station) <= MAX_ID_LENGTH and station.isprintable()
    return station if usable else None


def basic_credentials(header: str) -> tuple[str, bytes] | None:
    """User and password, which must not be empty, of an Authorization header."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    if not colon or not password:
        return None
    return user.decode(errors="backslashreplace"), password


def certified(socket: Any) -> bool:
    """Whether a connection has shown a certificate that the server trusts (profile 3)."""
    secured = socket.transport.get_extra_info("ssl_object")
    return secured is not None and bool(secured.getpeercert())


def password_matches(passwords: Mapping[str, str], station: str, given: bytes) -> bool:
    """Any password will do for a station that has none set."""
    wanted = passwords.get(station)
    return wanted is None or hmac.compare_digest(wanted.encode(), given)
