"""Functional block B, Provisioning: what the station is made of, with real values (B07)."""

from station.blocks.inventory.block import Inventory

__all__ = ["Inventory"]
