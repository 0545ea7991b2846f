"""The connection to the CSMS: OCPP-J Part 4 section 5, network profiles (B09, B10), A01, A05."""

from station.blocks.connection.dialling import Connection

__all__ = ["Connection"]
