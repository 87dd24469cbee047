"""Reports: figures and the self-contained page of any result."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wareloom.core.files import landing, locked, replacing
from wareloom.core.run import Run
from wareloom.core.state import write_json
from wareloom.errors import OutputError
from wareloom.experiment.result import Proof
from wareloom.experiment.settings import ExperimentSettings
from wareloom.proof.prove import prove
from wareloom.shop import Shop


def render(data: Mapping[str, Any], cleaned: Mapping[str, Any] | None = None) -> str:
    """Return the page of `proof.json`'s `data`; `cleaned` is `clean.json`'s."""
    # Here, not above: whoever proves without a page loads neither Plotly nor Jinja.
    from wareloom.report.page import render as laid_out

    return laid_out(data, cleaned)


def write_report(proof: Proof, path: str | Path, *, cleaned: dict[str, Any] | None = None) -> None:
    """Write the page of `proof` to `path`: one HTML file that needs no network.

    `cleaned`: what `clean.json` holds, shown where given. The same proof gives the same bytes.
    """
    Path(path).write_text(render(proof.data, cleaned), encoding="utf-8")


def prove_and_report(
    shop: Shop, settings: ExperimentSettings, to: str | Path, run: Run, *, resume: bool = False
) -> Proof:
    """Run a proof, of what `settings` are of, and write `proof.json` and `report.html` to the folder `to`.

    Finished cells are kept beside the folder until it is whole; `resume` uses those of a run that was stopped. With
    `run.cache` they are kept there for good: more seeds, or others beside, redo none of them.
    """
    to = Path(to)
    if (to / "proof.json").exists() and not resume:
        raise OutputError(
            f"{to} holds a proof already: choose another folder for --to, or pass --resume to replace it."
        )
    place = landing(to)
    cells = place.with_name(f".{place.name}.cells")
    if not resume:
        shutil.rmtree(cells, ignore_errors=True)
    with locked(to):
        proof = prove(shop, settings, run.with_(cache=run.cache or cells))
        with replacing(to, marker="proof.json") as partial:
            write_json(partial / "proof.json", proof.data)
            write_report(proof, partial / "report.html")
        shutil.rmtree(cells, ignore_errors=True)
    return proof


__all__ = ["prove_and_report", "render", "write_report"]
