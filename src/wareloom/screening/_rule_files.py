"""Files of rules: tables of TOML, read and written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from wareloom.core.parse import read_toml
from wareloom.core.settings import configure
from wareloom.errors import SettingError, SourceError, near
from wareloom.screening._rule_kinds import KINDS, Rule


def read_rules(path: str | Path) -> list[Rule]:
    """Read a file of rules.

    Raises `SourceError` where there is none or it is no TOML, `SettingError` for what it says wrongly; the message
    names the file, the table with its number, the key, and the remedy.
    """
    path = Path(path)
    if not path.exists():
        raise SourceError(
            f"There is no file of rules {path}: give the screen rules its file, or learn = true."
        )
    raw = read_toml(path, "The file of rules")
    found: list[Rule] = []
    for kind, tables in raw.items():
        if kind not in KINDS:
            known = ", ".join(f"[[{name}]]" for name in KINDS)
            raise SettingError(
                f"{path}: there is no rule [[{kind}]].{near(kind, KINDS)} Rules: {known}."
            )
        tables = [tables] if isinstance(tables, dict) else tables
        if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
            raise SettingError(
                f"{path}: {kind} is {tables!r}; write a table, [[{kind}]], with its keys below it."
            )
        found += [
            _rule(KINDS[kind], table, f"{path}, [[{kind}]] number {n}")
            for n, table in enumerate(tables, 1)
        ]
    if not found:
        raise SettingError(
            f"{path} has no rule: write one, such as [[funnel]] with event and needs."
        )
    return found


def _rule(kind: type[Rule], table: dict[str, Any], place: str) -> Rule:
    """Build one rule, checked."""
    known = {each.name for each in fields(kind)}
    for key in table:
        if key not in known:
            raise SettingError(
                f"{place}: there is no key {key!r}.{near(key, known)} Keys: {', '.join(sorted(known))}."
            )
    try:
        rule: Rule = configure(kind, table)
        rule.check()
    except SettingError as error:
        raise SettingError(f"{place}: {error}") from error
    return rule


def as_toml(rules: Sequence[Rule]) -> str:
    """Write rules as `read_rules` reads them."""
    import tomli_w

    def line(key: str, value: Any) -> str:
        if isinstance(value, dict):
            return f"{key} = {{ {', '.join(line(*pair) for pair in value.items())} }}"
        if isinstance(value, tuple | list):
            return f"{key} = [{', '.join(line('x', each).partition(' = ')[2] for each in value)}]"
        return tomli_w.dumps({key: value}).strip()

    tables = [
        [f"[[{rule.kind}]]", *(line(*pair) for pair in rule.plain().items())] for rule in rules
    ]
    return "\n\n".join("\n".join(table) for table in tables) + "\n"
