"""Put the entries of docs/experiments.md in order, newest first, and make its index anew.

    python tools/journal.py

An entry that was added at the end is taken for the latest of its day. A test holds the page to it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "experiments.md"
QUESTION = re.compile(r"^\*\*Question\.\*\* (.*)$", re.MULTILINE)
INDEX = "| day | question |\n|---|---|\n"


def slug(title: str) -> str:
    """The anchor of a heading, as Python-Markdown makes it."""
    bare = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
    bare = re.sub(r"[^\w\s-]", "", bare.encode("ascii", "ignore").decode())
    return re.sub(r"[-\s]+", "-", bare.strip().lower())


def ordered(text: str) -> str:
    """The page with its entries newest first, each in the index by its question, or by its title."""
    head, *entries = re.split(r"^## (?=\d{4}-\d\d-\d\d )", text, flags=re.MULTILINE)
    entries = [entry.strip() for entry in entries]
    days = [entry[:10] for entry in entries]
    # Entries behind the oldest of the first run were added at the end.
    end = next((i for i in range(1, len(days)) if days[i] > days[i - 1]), len(days))
    newest = sorted([*reversed(entries[end:]), *entries[:end]], key=lambda e: e[:10], reverse=True)
    rows = [_row(entry) for entry in newest]
    intro = head.partition(INDEX)[0].rstrip()
    parts = [intro, INDEX + "\n".join(rows), *(f"## {entry}" for entry in newest)]
    return "\n\n".join(parts) + "\n"


def _row(entry: str) -> str:
    title = entry.partition("\n")[0].strip()
    asked = QUESTION.search(entry)
    return f"| {title[:10]} | [{asked[1] if asked else title[11:]}](#{slug(title)}) |"


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(ordered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
