"""Write the generated pages of the docs site: commands, Python and the settings of every algorithm.

    python tools/reference.py

The pages go to docs/reference/generated/, which git ignores: they are made of the code each time, so that they cannot
be out of date. `tests/unit/test_docs_site.py` holds them to the code.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[1] / "docs"
PLACE = DOCS / "reference" / "generated"
ORDER = (
    "reader",
    "synthesizer",
    "screen",
    "mixer",
    "ranker",
    "reranker",
    "metric",
    "attack",
    "classifier",
    "embedder",
    "text model",
)
"""Families as the main job meets them"""
WHAT = {
    "reader": "A reader brings one source format to the door. `--as NAME` of `wareloom read` names it.",
    "synthesizer": "A synthesizer learns from the training part of a shop, and samples a shop of the same kind.",
    "screen": "A screen rejects bad synthetic rows and says why. `--screens` names them in order.",
    "mixer": "A mixer blends real and synthetic rows into one shop.",
    "ranker": "A ranker scores every item for a request: who asks, after which history, for which query.",
    "reranker": "A reranker puts the best items of a list in another order.",
    "metric": "A metric says what a ranking, a prediction or a synthetic shop is worth.",
    "attack": "An attack tries to tell whom a sample was made of.",
    "classifier": "A classifier says which class a photo shows.",
    "embedder": "An embedder turns texts into vectors.",
    "text model": "A text model writes texts, or says how probable they are.",
}
BASES = {
    "wareloom.rankers.Ranker": "Base of rankers",
    "wareloom.synthesis.Synthesizer": "Base of synthesizers",
    "wareloom.metrics.Metric": "Base of metrics",
    "wareloom.metrics.RequestMetric": "Base of metrics that are means over requests",
    "wareloom.metrics.Ranked": "What a metric of rankings is given",
    "wareloom.readers.Reader": "Base of readers",
    "wareloom.readers.Intake": "What a reader works with",
    "wareloom.screening.Screen": "Base of screens",
    "wareloom.mixing.Mixer": "Base of mixers",
    "wareloom.reranking.Reranker": "Base of rerankers",
    "wareloom.testing.check": "The contract",
}
"""What one's own algorithms derive from, and what holds them to the contract"""


def shown(value: Any) -> str:
    """A value as code in a cell of a table."""
    text = str(value).replace("|", "\\|").replace("\n", " ")
    return f"`{text}`" if text else ""


def cell(text: str) -> str:
    """A text in a cell of a table: one line, and what looks like HTML spelled out."""
    flat = re.sub(r"\s+", " ", text or "").strip().replace("|", "\\|")
    return "".join(
        part if code else part.replace("<", "&lt;")
        for code, part in ((piece[:1] == "`", piece) for piece in re.split(r"(`[^`]*`)", flat))
    )


def commands() -> dict[str, Any]:
    """The commands of the command line by name."""
    import typer

    from wareloom.cli import Commands, app

    # Typer keeps an application's commands behind a group of its own making.
    group = typer.main.get_command(app)
    assert isinstance(group, Commands)
    return {name: group.get_command(None, name) for name in group.list_commands(None)}


def options(command: Any) -> Iterator[tuple[str, str]]:
    """Arguments and options of a command: how each is written, and what it does."""
    for param in command.params:
        if param.name == "help":
            continue
        if param.param_type_name == "argument":
            name = (param.metavar or param.name or "").strip("{}[]").upper()
            yield name, param.help or ""
            continue
        names = ", ".join([*param.opts, *param.secondary_opts])
        value = "" if param.is_flag else f" {(param.metavar or param.name or '').upper()}"
        default = param.default
        told = getattr(param, "help", "") or ""
        if default not in (None, False, (), []) and not callable(default) and not param.required:
            told = f"{told} Default: `{default}`."
        yield f"{names}{value}", f"{told} Required." if param.required else told


def command_page() -> str:
    """The page of all commands."""
    lines = [
        "# Command line",
        "",
        "Made of the code. `wareloom COMMAND --help` says the same. [Commands](../../commands.md) explains them.",
    ]
    for name, command in commands().items():
        lines += ["", f"## wareloom {name}", "", cell(command.help), ""]
        lines += ["| argument or option | what it does |", "|---|---|"]
        lines += [f"| {shown(written)} | {cell(told)} |" for written, told in options(command)]
    return "\n".join([*lines, ""])


def file_of(kind: str) -> str:
    """The page of a family."""
    return f"{kind.replace(' ', '-')}s.md"


def family_page(kind: str) -> str:
    """The page of a family: each algorithm with its settings."""
    from wareloom.core.family import FAMILIES

    entries = [entry for entry in FAMILIES[kind].entries() if not entry.package]
    lines = [f"# {kind.capitalize()}s", "", WHAT[kind], ""]
    lines += [f"Made of the code: {len(entries)} {kind}s. `wareloom show NAME` prints one.", ""]
    lines += ["| name | what it is |", "|---|---|"]
    lines += [f"| [`{e.name}`](#{anchor(e.name)}) | {cell(e.summary)} |" for e in entries]
    for entry in entries:
        lines += ["", f"## {entry.name} {{ #{anchor(entry.name)} }}", "", cell(entry.summary)]
        lines += ["", f"`{entry.module}`"]
        if entry.keeps:
            lines[-1] += f" · keeps {entry.keeps} of a real log"
        if entry.settings:
            lines += ["", "| setting | type | default | what it does |", "|---|---|---|---|"]
            lines += [
                f"| `{s.name}` | {shown(s.type)} | {shown(s.default)} | {cell(s.doc)} |"
                for s in entry.settings
            ]
        else:
            lines += ["", "It has no settings."]
    return "\n".join([*lines, ""])


def anchor(name: str) -> str:
    """The anchor of an algorithm on its family's page."""
    return name.replace("_", "-")


def python_page() -> str:
    """The page of the public names, filled in by mkdocstrings."""
    import wareloom

    lines = ["# Python", "", "Made of the code: what `import wareloom as wl` offers.", ""]
    homes = wareloom._HOMES
    for lower, title in ((True, "Functions"), (False, "Types")):
        lines += [f"## {title}", ""]
        for name in sorted(n for n in homes if n[0].islower() is lower):
            lines += [f"::: {homes[name]}.{name}", "    options:", f"      toc_label: {name}", ""]
    lines += ["## For algorithms of your own", ""]
    lines += ["[Write your own](../../tutorials/write-your-own.md) uses them.", ""]
    for target, what in BASES.items():
        lines += [f"{what}:", "", f"::: {target}", ""]
    return "\n".join(lines)


def index_page() -> str:
    """The page that lists the generated ones."""
    lines = [
        "# Reference made of the code",
        "",
        "- [Command line](command-line.md): every command, argument and option.",
        "- [Python](python.md): every public function and type.",
    ]
    lines += [f"- [{kind.capitalize()}s]({file_of(kind)}): {WHAT[kind]}" for kind in ORDER]
    return "\n".join([*lines, ""])


def pages() -> dict[str, str]:
    """Text by file name of all generated pages."""
    made = {
        "index.md": index_page(),
        "command-line.md": command_page(),
        "python.md": python_page(),
    }
    return made | {file_of(kind): family_page(kind) for kind in ORDER}


def main() -> None:
    """Write the pages anew."""
    if PLACE.exists():
        shutil.rmtree(PLACE)
    PLACE.mkdir(parents=True)
    for name, text in pages().items():
        (PLACE / name).write_text(text, encoding="utf-8")
    print(f"{len(os.listdir(PLACE))} pages in {PLACE.relative_to(DOCS.parent)}")


if __name__ == "__main__":
    sys.exit(main())
