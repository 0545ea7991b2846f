"""Conditions of certification cases: parsed, and evaluated against the declared features.

`C-30 OR C-31`, `NOT C-13`, `(C-51 OR NOT C-09.6) AND AQ-9`, `HFS-8 > 1`, a quoted name for a
profile or product type, and `C-30 - C-35`, which holds when any feature of the range does.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

Features = Mapping[str, bool | int]

TOKEN = re.compile(
    r"""\s*(?:
        (?P<word>NOT|AND|OR)\b
      | (?P<feature>[A-Z]+-\d+(?:\.\d+)?)
      | "(?P<name>[^"]+)"
      | (?P<number>\d+)
      | (?P<sign>[()>-])
    )""",
    re.VERBOSE,
)


class ConditionError(ValueError):
    """A condition that is no condition, or a feature that nobody has declared."""


@dataclass(frozen=True)
class Verdict:
    """Whether a condition holds, and the features that decide it."""

    holds: bool
    because: tuple[str, ...]


def evaluate(condition: str, features: Features) -> Verdict:
    """Empty conditions hold."""
    if not condition:
        return Verdict(True, ())
    return _Parser(condition, features).parse()


def _tokens(condition: str) -> list[tuple[str, str]]:
    tokens = []
    at = 0
    while at < len(condition):
        match = TOKEN.match(condition, at)
        if match is None:
            raise ConditionError(f"{condition!r} at {at}: {condition[at:]!r}")
        kind = str(match.lastgroup)
        tokens.append((kind, match[kind]))
        at = match.end()
    return tokens


class _Parser:
    """Recursive descent: OR of ANDs of terms."""

    def __init__(self, condition: str, features: Features) -> None:
        self._condition, self._features = condition, features
        self._tokens = _tokens(condition)
        self._at = 0

    def parse(self) -> Verdict:
        verdict = self._any()
        if self._at != len(self._tokens):
            raise ConditionError(f"{self._condition!r}: {self._tokens[self._at][1]!r} is too much")
        return verdict

    def _accept(self, *texts: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at][1] in texts:
            self._at += 1
            return True
        return False

    def _next(self, *kinds: str) -> tuple[str, str]:
        if self._at == len(self._tokens) or self._tokens[self._at][0] not in kinds:
            raise ConditionError(f"{self._condition!r}: {' or '.join(kinds)} expected")
        self._at += 1
        return self._tokens[self._at - 1]

    def _any(self) -> Verdict:
        parts = [self._all()]
        while self._accept("OR"):
            parts.append(self._all())
        return _combined(parts, any(part.holds for part in parts))

    def _all(self) -> Verdict:
        parts = [self._term()]
        while self._accept("AND"):
            parts.append(self._term())
        return _combined(parts, all(part.holds for part in parts))

    def _term(self) -> Verdict:
        if self._accept("NOT"):
            inner = self._term()
            return Verdict(not inner.holds, inner.because)
        if self._accept("("):
            inner = self._any()
            if not self._accept(")"):
                raise ConditionError(f"{self._condition!r}: ) expected")
            return inner
        kind, name = self._next("feature", "name")
        if kind == "feature" and self._accept("-"):
            return self._range(name, self._next("feature")[1])
        if self._accept(">"):
            return self._more_than(name, int(self._next("number")[1]))
        return self._declared(name)

    def _value(self, name: str) -> bool | int:
        if name in self._features:
            return self._features[name]
        family = [value for other, value in self._features.items() if other.startswith(f"{name}.")]
        if not family:
            raise ConditionError(f"{self._condition!r}: {name} is not declared in features.toml")
        return any(family)  # C-40 stands for any of C-40.1, C-40.2 …

    def _declared(self, name: str) -> Verdict:
        holds = bool(self._value(name))
        return Verdict(holds, (f"{name} {'yes' if holds else 'no'}",))

    def _more_than(self, name: str, limit: int) -> Verdict:
        value = int(self._value(name))
        return Verdict(value > limit, (f"{name} is {value}",))

    def _range(self, first: str, last: str) -> Verdict:
        """Any feature from *first* to *last*."""
        family, _, low = first.rpartition("-")
        other, _, high = last.rpartition("-")
        if family != other:
            raise ConditionError(f"{self._condition!r}: {first} - {last} is no range")
        names = [f"{family}-{number}" for number in range(int(low), int(high) + 1)]
        parts = [self._declared(name) for name in names]
        return _combined(parts, any(part.holds for part in parts))


def _combined(parts: list[Verdict], holds: bool) -> Verdict:
    """The parts that agree with the outcome are its reason."""
    reasons = [reason for part in parts if part.holds == holds for reason in part.because]
    return Verdict(holds, tuple(dict.fromkeys(reasons)))
