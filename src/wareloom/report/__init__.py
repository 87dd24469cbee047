"""Reports: figures and the self-contained page of any result."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wareloom.core.asked import a_path, asks, of_class
from wareloom.core.files import free_folder, landing, locked, one_spelling, replacing
from wareloom.core.run import Run
from wareloom.core.sentences import Say
from wareloom.core.state import read_json, write_json
from wareloom.experiment.result import Proof, rounded
from wareloom.experiment.settings import ExperimentSettings
from wareloom.proof.prove import prove
from wareloom.shop import Shop


def render(
    data: Mapping[str, Any],
    cleaned: Mapping[str, Any] | None = None,
    language: str = "",
    *,
    interactive: bool = False,
) -> str:
    """Return the page of `proof.json`'s `data`; `cleaned` is `clean.json`'s.

    `language`: "en" or "zh"; blank takes what was asked for. `interactive`: charts that answer the pointer, at 5 MB
    of script.
    """
    # Here, not above: whoever proves without a page loads neither Plotly nor Jinja.
    from wareloom.report.page import render as laid_out

    return laid_out(data, cleaned, language, interactive=interactive)


@asks(proof=of_class("a Proof, as wl.prove returns it or wl.open(FOLDER)", Proof), path=a_path)
def write_report(
    proof: Proof,
    path: str | Path,
    *,
    cleaned: dict[str, Any] | None = None,
    language: str = "",
    interactive: bool = False,
) -> None:
    """Write the page of `proof` to `path`: one HTML file that needs no network.

    `cleaned`: what `clean.json` holds, shown where given; `language`: "en" or "zh"; `interactive`: charts that answer
    the pointer, at 5 MB of script. The same proof gives the same bytes.
    """
    page = render(proof.data, cleaned, language, interactive=interactive)
    Path(path).write_text(page, encoding="utf-8")


def prove_and_report(
    shop: Shop,
    settings: ExperimentSettings,
    to: str | Path,
    run: Run,
    *,
    resume: bool = False,
    force: bool = False,
) -> Proof:
    """Run a proof, of what `settings` are of, and write `proof.json` and `report.html` to the folder `to`.

    Finished cells are kept beside the folder until it is whole; `resume` uses those of a run that was stopped. With
    `run.cache` they are kept there for good: more seeds, or others beside, redo none of them. Raises `OutputError`
    where a proof is there already, unless `force`, or unless `resume` finds one of the same shop, settings and seed.
    """
    # A language that no page speaks is refused before any work is done.
    Say.of()
    to = Path(to)
    again = resume and _same(to, shop, settings, run)
    free_folder(to, "proof.json", force=force or again)
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


def _same(to: Path, shop: Shop, settings: ExperimentSettings, run: Run) -> bool:
    """Whether the folder `to` holds a proof that is asked for again: of the same shop, settings and seed."""
    if not (to / "proof.json").is_file():
        return False
    held: Any = read_json(to / "proof.json")
    if not isinstance(held, dict) or not isinstance(held.get("shop"), dict):
        return False
    asked = json.loads(json.dumps(rounded(asdict(settings)), default=str))
    found = (held["shop"].get("fingerprint"), held.get("seed"), one_spelling(held.get("settings")))
    return found == (shop.fingerprint, run.seed, one_spelling(asked))


__all__ = ["prove_and_report", "render", "write_report"]
