"""Types of command line arguments; their errors say what a good value looks like."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def checked(check: Callable[[str], T], *, secret: bool = False) -> Callable[[str], T]:
    """A rule of `station.rules` as the type of an argument; a secret is not repeated."""

    def parse(text: str) -> T:
        try:
            return check(text)
        except ValueError as error:
            raise ArgumentTypeError(f"{error}" if secret else f"{shown(text)} {error}") from error

    return parse


def whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        good = text.isascii() and text.isdigit() and len(text) <= 19 and low <= int(text) <= high
        if not good:
            raise ArgumentTypeError(f"{shown(text)} is not a whole number of {low} to {high}")
        return int(text)

    return parse


def shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:59] + "…")
