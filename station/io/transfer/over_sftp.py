"""Uploads over SFTP, only to servers whose host key is known beforehand."""

import logging
import socket
from collections.abc import Callable
from typing import Any

import paramiko

from station.io.transfer.errors import TransferError
from station.io.transfer.way import Way
from station.transfers import PORTS, Location, LogFile, TransferEnd, TransferProtocol

MAX_RECEIVED = 4_000_000
"""What a server may send in all: a packet claims its own length, and paramiko believes it."""
BLOCK = 32_768

logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # what matters is in TransferError


def put_with(known_hosts: str) -> Callable[[Way, Location, LogFile, bytes], None]:
    def put(way: Way, location: Location, file: LogFile, data: bytes) -> None:
        keys = _keys_of(location, known_hosts)
        sock = _Bounded(way.connect(location.host, location.port))
        try:
            transport = paramiko.Transport(sock)
        except (paramiko.SSHException, EOFError, OSError) as error:
            sock.close()
            raise _failed(error) from None
        try:
            _log_in(transport, way, location, keys)
            _store(transport, way, location, file, data)
        except (paramiko.SSHException, EOFError) as error:
            raise _failed(error) from None
        except OSError as error:
            if isinstance(error, PermissionError):
                detail = "the server denies writing there"
                raise TransferError(TransferEnd.DENIED, detail) from None
            raise
        finally:
            transport.packetizer.complete_handshake()  # else its timer outlives a failed one
            transport.close()
            sock.close()

    return put


def _keys_of(location: Location, known_hosts: str) -> dict[str, paramiko.PKey]:
    """The keys that *known_hosts* gives this server; raises TransferError if there is none."""
    try:
        hosts = paramiko.HostKeys(known_hosts)
    except OSError as error:
        detail = f"[transfers] known_hosts: {error.strerror}"
        raise TransferError(TransferEnd.REFUSED, detail) from None
    standard = location.port == PORTS[TransferProtocol.SFTP]
    name = location.host if standard else f"[{location.host}]:{location.port}"
    found = hosts.lookup(name)
    if not found:
        detail = f"{name} is not in the file of [transfers] known_hosts"
        raise TransferError(TransferEnd.REFUSED, detail)
    return {kind: found[kind] for kind in found}


def _log_in(
    transport: paramiko.Transport, way: Way, location: Location, keys: dict[str, paramiko.PKey]
) -> None:
    options = transport.get_security_options()
    kinds = [kind for kind in options.key_types if _key_kind(kind) in keys]
    if not kinds:
        detail = "its known host key is of a kind that is not safe any more"
        raise TransferError(TransferEnd.REFUSED, detail)
    options.key_types = kinds
    transport.banner_timeout = transport.auth_timeout = way.step_s
    transport.start_client(timeout=way.step_s)
    key = transport.get_remote_server_key()
    if keys.get(key.get_name()) != key:
        detail = "the server has another host key than the known one"
        raise TransferError(TransferEnd.REFUSED, detail)
    way.check()
    try:
        transport.auth_password(location.user, location.password, fallback=False)
    except paramiko.AuthenticationException:
        raise TransferError(TransferEnd.DENIED, "the server denies the login") from None


def _key_kind(algorithm: str) -> str:
    """RSA keys sign with newer hashes under names of their own (RFC 8332)."""
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm


def _store(
    transport: paramiko.Transport, way: Way, location: Location, file: LogFile, data: bytes
) -> None:
    channel = transport.open_session(timeout=way.step_s)
    channel.settimeout(way.step_s)
    channel.invoke_subsystem("sftp")
    with paramiko.SFTPClient(channel) as client:
        path = _path(client, location.path, file.name)
        with client.open(path, "wb") as remote:
            remote.set_pipelined(True)
            for at in range(0, len(data), BLOCK):
                way.check()
                remote.write(data[at : at + BLOCK])
        size = client.stat(path).st_size
    if size != len(data):
        detail = f"the server has {size} of {len(data)} bytes"
        raise TransferError(TransferEnd.FAILED, detail)


def _path(client: paramiko.SFTPClient, path: str, name: str) -> str:
    """A folder gets the file; what does not exist and looks like a file is the file itself.

    "/~/" stands for the home of the user.
    """
    folder = path.removeprefix("/~/") if path.startswith("/~/") else path
    if not folder:
        return name
    try:
        client.stat(folder)
    except FileNotFoundError:
        if "." not in folder.rpartition("/")[2]:
            raise
        return folder
    return folder.rstrip("/") + "/" + name


def _failed(error: Exception) -> TransferError:
    return TransferError(TransferEnd.FAILED, f"SSH: {type(error).__name__}")


class _Bounded:
    """A socket that ends when the server has sent too much; what paramiko needs of one."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock, self._left = sock, MAX_RECEIVED

    def recv(self, size: int) -> bytes:
        data = self._sock.recv(min(size, BLOCK))
        self._left -= len(data)
        if self._left < 0:
            raise OSError("the server sends without end")
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)
