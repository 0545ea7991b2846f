"""Functional block C, Authorization: who may charge, and who may stop."""

from station.blocks.authorization.block import Authorization

__all__ = ["Authorization"]
