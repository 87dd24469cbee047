"""The templates of the pages and how one is filled."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from wareloom.report.figures import library


@cache
def environment() -> Environment:
    """The templates that ship with the package: every value is escaped, and one that is not there is an error."""
    return Environment(
        loader=PackageLoader("wareloom.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def filled(template: str, page: object) -> str:
    """Return the HTML of `page`, a view with plain values, laid out by `template`; it needs no network."""
    return environment().get_template(template).render(page=page, plotly=library())
