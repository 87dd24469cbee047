"""Look at, or set, what may be spent of a shop's users' privacy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from wareloom.cli._shared import AsJson, show
from wareloom.cli._summary import Summary


def main(
    shop: Annotated[Path, typer.Argument(help="The shop's folder.")],
    epsilon: Annotated[
        float | None, typer.Option(help="Set the most that may ever be spent; 1 to 3 is usual.")
    ] = None,
    delta: Annotated[
        float | None, typer.Option(help="With --epsilon: at most 1 / (10 · users).")
    ] = None,
    same_as: Annotated[
        Path | None,
        typer.Option(
            help="A shop of the same users, such as the whole of which this is a part: both have its ledger."
        ),
    ] = None,
    seal: Annotated[
        bool,
        typer.Option(
            "--seal",
            help="Take a ledger that was begun without a key as it stands; the key of WARELOOM_LEDGER_KEY seals it.",
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Raise a budget; the ledger says so for good.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what was spent of a shop's privacy budget and what is left, or set the budget (--epsilon, --delta)."""
    from wareloom.errors import SettingError
    from wareloom.privacy.ledger import Ledger, ledgers_folder
    from wareloom.shop import Shop

    fingerprint = Shop.open(shop).fingerprint
    if seal:
        Ledger.unread(ledgers_folder(), fingerprint).seal()
    ledger = Ledger.open(ledgers_folder(), fingerprint)
    if same_as is not None:
        ledger = Ledger.open(ledgers_folder(), Shop.open(same_as).fingerprint).share(fingerprint)
    if (epsilon is None) != (delta is None):
        raise SettingError("A budget is two numbers: give --epsilon and --delta together.")
    if epsilon is not None and delta is not None:
        ledger.allow(epsilon, delta, force=force)
    said = ledger.to_json()
    show(said, as_json, _summary(shop, said))


def _summary(shop: Path, said: dict[str, Any]) -> Summary:
    """What matters of a ledger in a few lines."""
    told = Summary(f"{shop} has no privacy budget yet: --epsilon and --delta set it.")
    if (budget := said["budget"]) is not None:
        told = Summary(f"The privacy budget of the users of {shop}")
        spent = (said["spent"] or {"epsilon": 0.0})["epsilon"]
        row = (budget["epsilon"], spent, budget["epsilon"] - spent, budget["delta"])
        told.table(("epsilon", "spent", "left", "delta"), [row])
    return told.fact("spent on", "; ".join(str(entry["purpose"]) for entry in said["entries"]))
