"""Functional block J, Meter Values: what is measured, when, and in which words it is told."""

from station.blocks.metering.block import Metering

__all__ = ["Metering"]
