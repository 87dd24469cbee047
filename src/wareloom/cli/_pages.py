"""Options of every command that writes a page: its language, and charts that answer the pointer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import update_wrapper
from typing import Annotated, Any

import typer

from wareloom.core.sentences import VARIABLE, Say, writing

WRITERS = ("advise", "check", "compare", "demo", "gallery", "leaderboard", "prove", "report", "run")
"""Commands that write a page"""
OPTIONS = {
    "language": Annotated[
        str,
        typer.Option(
            help=f"Language of the page, en or zh; the environment variable {VARIABLE} says the same.",
            show_default=False,
        ),
    ],
    "interactive": Annotated[
        bool,
        typer.Option(
            "--interactive", help="Charts of the page answer the pointer; it has 5 MB then."
        ),
    ],
}


def with_pages(main: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options --language and --interactive: what they say holds while it runs."""
    own = inspect.signature(main, eval_str=True)

    def called(language: str = "", interactive: bool = False, **given: Any) -> Any:
        # A language that no page speaks is refused before any work is done.
        Say.of(language)
        with writing(language, interactive=interactive):
            return main(**given)

    kind, parameters = inspect.Parameter.KEYWORD_ONLY, list(own.parameters.values())
    for name, default in (("language", ""), ("interactive", False)):
        parameters.append(inspect.Parameter(name, kind, default=default, annotation=OPTIONS[name]))
    update_wrapper(called, main)
    # Typer would read the options of what is wrapped.
    del called.__wrapped__  # type: ignore[attr-defined]
    called.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {each.name: each.annotation for each in parameters}
    return called
