"""Functional block N, Diagnostics: monitors of variables and the events that they cause."""

from station.blocks.monitoring.block import Monitoring

__all__ = ["Monitoring"]
