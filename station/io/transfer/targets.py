"""What of the network a transfer may reach, besides ordinary unicast addresses."""

from msgspec import Struct


class Targets(Struct, frozen=True):
    loopback: bool = False
    link_local: bool = False
