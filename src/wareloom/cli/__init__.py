"""The command line: one file a command, found by its name, imported when it is called."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from wareloom.cli import _bars, _warnings
from wareloom.cli._ending import TRACEBACK, Ending, parted, utf8, widened
from wareloom.cli._pages import WRITERS, with_pages

HERE = Path(__file__).parent
PROGRAM = "wareloom"


class Commands(TyperGroup):
    """The files beside this one, as commands."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the commands, sorted."""
        return sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import the file of that name and make a command of its `main`."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"wareloom.cli.{cmd_name}")
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        main = with_pages(module.main) if cmd_name in WRITERS else module.main
        single.command(name=cmd_name)(main)
        return typer.main.get_command(single)


app = typer.Typer(
    cls=Commands,
    name=PROGRAM,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 130},
    help="Synthesise what a shop's data lacks, and prove on real held-out data whether it helped.",
    epilog="Exit codes: 0 done, 1 the answer is no, 2 the input or the call was wrong, 3 it crashed, "
    "130 and 143 it was stopped.",
)


def _show_version(value: bool) -> None:
    if value:
        from wareloom._version import __version__

        typer.echo(f"wareloom {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False,
        "--version",
        callback=_show_version,
        is_eager=True,
        help="Print the version and leave.",
    ),
    traceback: bool = typer.Option(
        False,
        TRACEBACK,
        help="Print the traceback of what goes wrong; before or after the command.",
    ),
) -> None:
    # What goes wrong in a command is no concern of its own: `main` takes the option out before.
    _warnings.hush(False)


def main() -> None:
    """Run the command line; whatever goes wrong becomes one message and an exit code."""
    widened(sys.stdout, sys.stderr)
    arguments, shown = parted(sys.argv[1:])
    if refused := utf8(arguments):
        print(refused.sentence, file=sys.stderr)
        sys.exit(refused.code)
    with Ending(arguments, shown), _bars.shown(), _warnings.shown():
        app(arguments, prog_name=PROGRAM)
