"""Functional block B, Provisioning: what the station is made of, with real values (B07).

A variable is here only if something of this station is behind it. Getters read what the core
holds already: a report or a monitor may ask for all of them in one turn.
"""

from collections.abc import Callable

from station.blocks.inventory.controller import Controller
from station.blocks.inventory.devices import Devices
from station.blocks.inventory.link import DataLink
from station.blocks.inventory.meters import Meters
from station.blocks.inventory.readers import Readers
from station.blocks.inventory.tiers import Tiers
from station.context import Context


class Inventory:
    """Every component that is hardware, and the station as a whole."""

    def __init__(self, context: Context, contained: Callable[[], int]) -> None:
        """*contained*: how many errors of the program were contained since it began."""
        self._areas = (
            Tiers(context),
            Meters(context),
            Devices(context),
            Readers(context),
            Controller(context, contained),
            DataLink(context),
        )
