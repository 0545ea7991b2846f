"""Which addresses a transfer may go to: what a name leads to is checked, and then used as it is."""

import ipaddress
import socket
from typing import Any

from station.io.transfer.errors import TransferError
from station.io.transfer.targets import Targets
from station.transfers import TransferEnd

NAT64 = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Found = tuple[socket.AddressFamily, Any]


def problem_of(text: str, targets: Targets) -> str:
    """Why *text*, an IP address, is no target; empty if it may be one."""
    address = _inner(ipaddress.ip_address(text.partition("%")[0]))
    if address.is_loopback:
        return "" if targets.loopback else "is this station itself"
    if address.is_link_local:
        return "" if targets.link_local else "is a link-local address"
    if address.is_unspecified or address.is_multicast or _is_reserved(address):
        return "is not the address of a server"
    return ""


def resolve(host: str, port: int, targets: Targets) -> list[Found]:
    """The socket addresses of *host*, all of them allowed; raises TransferError.

    One address that is not allowed refuses the name: which of them a server is reached at
    would be chance. The caller connects to what was checked, so that a name that changes its
    mind (DNS rebinding) gains nothing.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not a host name"
        raise TransferError(TransferEnd.FAILED, f"{host}: {reason}") from None
    for _, _, _, _, sockaddr in found:
        if problem := problem_of(str(sockaddr[0]), targets):
            detail = f"{host}: {sockaddr[0]} {problem}; transfers to it are not allowed"
            raise TransferError(TransferEnd.REFUSED, detail)
    return [(family, sockaddr) for family, _, _, _, sockaddr in found]


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_reserved(address: Address) -> bool:
    """Also 0.0.0.0/8, which Linux takes for this host."""
    this_network = isinstance(address, ipaddress.IPv4Address) and address.packed[0] == 0
    return address.is_reserved or this_network
