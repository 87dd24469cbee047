"""The ground of every figure: the house's type and colours, and how a figure gets into a page."""

from __future__ import annotations

import textwrap

import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

INK, FAINT, GRID = "#1f2933", "#7b8794", "#e4e7eb"
SHADES = ("#3354a5", "#c2571a", "#1b7f4b", "#8a3ffc", "#7b8794")
NARROW_TITLE = 30
"""Characters of an axis' title that fit a phone beside the labels of the other axis."""
CONFIG = {"displaylogo": False, "responsive": True, "displayModeBar": False}


def drawn(figure: go.Figure, name: str) -> Markup:
    """A figure under an id of its own, `name`, which is the report's and never a shop's."""
    html = figure.to_html(full_html=False, include_plotlyjs=False, div_id=name, config=CONFIG)
    # Safe: all that comes from the data stands in Plotly's JSON, whose <, > and / are written as \u003c, \u003e and
    # \u002f, so that nothing ends the script tag; the rest is Plotly's own. Hostile names are held against it by test.
    return Markup(html)


def library() -> Markup:
    """Plotly's own script, so that a page needs no network."""
    # Safe: a file of the installed library, in which nothing of the data stands.
    return Markup(get_plotlyjs())


def plain(text: str) -> str:
    """Have Plotly show `text` as it stands: it reads tags, entities and, in hover texts, %{…} out of every string."""
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("%{", "%&#123;")):
        text = text.replace(sign, entity)
    return text


def lines(text: str, most: int) -> str:
    """Break `text` into lines of at most so many characters, which Plotly shows as they stand."""
    return "<br>".join(map(plain, textwrap.wrap(text.replace(" %", "\u00a0%"), most)))


def styled(figure: go.Figure, x_title: str, height: int) -> go.Figure:
    """Give a figure the house's type, colours and margins."""
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 10, "r": 20, "t": 34, "b": 48},
        font={"family": "system-ui, sans-serif", "size": 13, "color": INK},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hoverlabel={"bgcolor": "white"},
    )
    grid = {"gridcolor": GRID, "zeroline": False, "automargin": True}
    figure.update_xaxes(title=lines(x_title, NARROW_TITLE), title_font_size=13, **grid)
    figure.update_yaxes(title_font_size=13, title_standoff=10, **grid)
    return figure
