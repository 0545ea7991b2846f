"""Markdown that is pleasant to read as text."""

from collections.abc import Iterable, Sequence
from itertools import groupby

WIDTH = 100


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns; numbers to the right."""
    if not rows:
        return "None."
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    right = [all(row[column].isdigit() for row in rows) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(cells, widths, right, strict=True)
        ]
        return f"| {' | '.join(padded)} |"

    rule = [
        "-" * (width - 1) + ":" if is_right else "-" * width
        for width, is_right in zip(widths, right, strict=True)
    ]
    return "\n".join(
        [line(lines[0]), f"|{'|'.join(f' {each} ' for each in rule)}|", *map(line, rows)]
    )


def by_block(ids: Iterable[str]) -> str:
    """Case ids, a paragraph for each block: "**B** TC_B_01, TC_B_02"."""
    groups = groupby(ids, key=lambda each: each.split("_")[1])
    texts = [f"**{block}** " + ", ".join(_short(each) for each in mine) for block, mine in groups]
    return "\n\n".join(map(wrapped, texts)) if texts else "None."


def _short(case: str) -> str:
    return case.removesuffix("_CS")


def wrapped(text: str) -> str:
    lines, line = [], ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return "\n".join([*lines, line])
