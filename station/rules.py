"""What identity, password, CSMS address and listening address must look like."""

from typing import NamedTuple
from urllib.parse import urlsplit

IDENTITY_CHARACTERS = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789*-_=+|@."
)
MAX_IDENTITY = 48
MIN_PASSWORD, MAX_PASSWORD = 16, 64
MAX_URL = 512


class ListenAddress(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def check_identity(text: str) -> str:
    """An identifierString without the colon, which would end the user name of Basic auth."""
    if not 1 <= len(text) <= MAX_IDENTITY:
        raise ValueError(f"must be 1 to {MAX_IDENTITY} characters long")
    wrong = next((char for char in text if char not in IDENTITY_CHARACTERS), None)
    if wrong is not None:
        raise ValueError(f"must not hold {wrong!r}; letters, digits and * - _ = + | @ . are good")
    return text


def check_password(text: str) -> str:
    # A00.FR.205, A00.FR.304, errata 2025-01: 16 to 64 characters, any but control characters
    if not MIN_PASSWORD <= len(text) <= MAX_PASSWORD:
        raise ValueError(f"the password must be {MIN_PASSWORD} to {MAX_PASSWORD} characters long")
    if not text.isprintable():
        raise ValueError("the password must not hold control characters")
    return text


def check_csms_url(text: str) -> str:
    """ws:// or wss://, without the identity; the slash at its end is dropped."""
    if len(text) > MAX_URL:
        raise ValueError(f"must be at most {MAX_URL} characters long")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must hold neither spaces nor other characters than plain ASCII")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"is not a URL ({str(error).lower()})") from error
    if parts.scheme not in {"ws", "wss"}:
        raise ValueError("must begin with ws:// or wss://")
    if not parts.hostname:
        raise ValueError("names no host")
    if "@" in parts.netloc:
        raise ValueError("must not hold user or password; there is an option for the password")
    if "?" in text or "#" in text:
        raise ValueError("must not hold a query (?) or fragment (#)")
    if port == 0:
        raise ValueError("port 0 cannot be called")
    return text.rstrip("/")


def parse_listen(text: str) -> ListenAddress:
    """HOST:PORT, with an IPv6 host in brackets; port 0 takes any free one."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("must have an IPv6 host in brackets, as in [::1]:8180")
    if not colon or not host or not host.isascii() or not host.isprintable() or " " in host:
        raise ValueError("must be HOST:PORT, as in 127.0.0.1:8180")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        raise ValueError("must end in a port of 0 to 65535")
    return ListenAddress(host, int(port))
