"""Functional block N, Diagnostics: logs, uploaded where the CSMS wants them (N01)."""

from station.blocks.logs.block import Logs

__all__ = ["Logs"]
