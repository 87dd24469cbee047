"""The templates of the pages and how one is filled."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from wareloom.core.sentences import Say, pages
from wareloom.report import svg
from wareloom.report.charts import Chart

CODE = re.compile(r"`([^`\n]{1,200})`")


@cache
def environment() -> Environment:
    """The templates that ship with the package: every value is escaped, and one that is not there is an error."""
    found = Environment(
        loader=PackageLoader("wareloom.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters["coded"] = coded
    return found


def coded(text: str) -> Markup:
    """Return a sentence as HTML in which what stands between two backticks is code, as in `wareloom check`."""
    # Safe: escaped first, and nothing else of it is changed.
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(text))))


@cache
def style() -> Markup:
    """The style sheet of all pages."""
    sheet = files("wareloom.report") / "templates" / "style.css"
    # Safe: a file of this package, in which nothing of the data stands.
    return Markup(sheet.read_text(encoding="utf-8"))


def filled(
    template: str,
    page: object,
    language: str = "",
    *,
    interactive: bool = False,
    pictures: bool = False,
) -> str:
    """Return the HTML of `page`, a view with plain values and charts, laid out by `template`; it needs no network.

    Templates get `page`, `say` (`core.sentences.Say`) and `drawn`, which draws a chart. `interactive`: as charts that
    answer the pointer, which takes 5 MB of script; as SVG otherwise, without any script. `pictures`: whether the page
    may show pictures that it holds itself.
    """
    say = Say.of(language)
    interactive = (interactive or pages().interactive) and not pictures
    return (
        environment()
        .get_template(template)
        .render(
            page=page,
            **_frame(say),
            **(_interactive(say) if interactive else _still(say, pictures)),
        )
    )


def _frame(say: Say) -> dict[str, object]:
    return {
        "say": say,
        "language": {"zh": "zh-Hans"}.get(say.language, say.language),
        "style": style(),
    }


def _still(say: Say, pictures: bool = False) -> dict[str, object]:
    """Charts as SVG, and a policy by which a browser runs no script and asks nobody for anything."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    policy += "; img-src data:" if pictures else ""

    def drawn(chart: Chart) -> Markup:
        return svg.drawn(chart, say)

    return {"drawn": drawn, "library": "", "policy": policy}


def _interactive(say: Say) -> dict[str, object]:
    from wareloom.report import interactive

    number = iter(range(1_000_000))

    def drawn(chart: Chart) -> Markup:
        return interactive.drawn(chart, f"chart-{next(number)}", say)

    policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
    return {"drawn": drawn, "library": interactive.library(), "policy": policy}
