"""Release a sample, or say what stands against it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wareloom.cli._shared import (
    AsJson,
    Force,
    Quiet,
    Seed,
    Set,
    Threads,
    To,
    free,
    names,
    place_of,
    run_of,
    settings,
    show,
)
from wareloom.cli._summary import Summary

if TYPE_CHECKING:
    from wareloom.attacks import Maker
    from wareloom.release.evidence import Evidence
    from wareloom.release.issue import Released

Holdout = Annotated[
    list[Path] | None,
    typer.Option(
        help="Other users of the same draw, for attacks; may be given again.", show_default=False
    ),
]
Earlier = Annotated[
    list[Path] | None,
    typer.Option(
        help="A release of this shop that left before; again for each.", show_default=False
    ),
]


MadeBy = Annotated[
    str,
    typer.Option(
        "--generator",
        help="The synthesizer that made the sample: where attacks find too much, more careful ways are tried.",
        autocompletion=names("synthesizer"),
    ),
]
Key = Annotated[Path | None, typer.Option(help="An Ed25519 key in PEM that signs the certificate.")]


def main(
    shop: Annotated[Path, typer.Argument(help="The real shop that the sample was made of.")],
    synthetic: Annotated[Path, typer.Argument(help="The sample's folder.")],
    to: To,
    policy: Annotated[
        str, typer.Option(help="A policy's TOML file, or inside, partner or public.")
    ] = "public",
    holdout: Holdout = None,
    earlier: Earlier = None,
    proof: Annotated[
        Path | None, typer.Option(help="A proof's folder, where the policy has a floor of lift.")
    ] = None,
    generator: MadeBy = "",
    set: Set = None,
    key: Key = None,
    leave_out: Annotated[
        bool,
        typer.Option(
            "--leave-out",
            help="Leave out rows with personal data, or with what too few users have.",
        ),
    ] = False,
    threads: Threads = 0,
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a sample with a certificate if it passes all gates of a policy; else say why not, with exit code 1."""
    from wareloom.errors import GateError
    from wareloom.release.earlier import opened
    from wareloom.release.issue import judged, release

    evidence = _evidence(shop, synthetic, policy, holdout or [], to, force)
    run = run_of(seed, quiet, threads=threads)
    before = opened(earlier or [])
    maker = _maker(generator, settings(set))
    evidence = replace(
        evidence, run=run, proof=proof, earlier=before, leave_out=leave_out, generator=maker
    )
    try:
        made = release(evidence, to, key)
    except GateError:
        if as_json:
            checks = [check.to_json() for check in judged(evidence)]
            show({"passed": False, "release": None, "checks": checks}, True)
        raise
    show(made.to_json(), as_json, _summary(made))


def _summary(made: Released) -> Summary:
    """What every gate says, and where the release and what stays inside lie."""
    policy = made.certificate["policy"]["preset"]
    found = Summary(f"All {len(made.checks)} gates of {policy!r} are passed.", "good")
    found.table(
        ("gate", "what it found"), [(check.name, check.said) for check in made.checks], "gate"
    )
    found.place(made.folder, name="release").place(made.inside, name="inside")
    signs = "" if made.certificate["signature"] else "; --key signs the certificate"
    return found.next(f"wareloom verify {made.folder}{signs}")


def _maker(name: str, given: dict[str, Any]) -> Maker | None:
    """What made the sample, looked at before any work; None where nobody said."""
    from wareloom.attacks import Maker
    from wareloom.core.family import SYNTHESIZERS
    from wareloom.errors import SettingError

    if not name:
        if given:
            raise SettingError(
                "--set says how the sample's generator was set: name it by --generator."
            )
        return None
    SYNTHESIZERS.make(name, **given)
    return Maker(name, given)


def _evidence(
    shop: Path, synthetic: Path, policy: str, holdout: list[Path], to: Path, force: bool
) -> Evidence:
    """What the gates look at; first of all it is looked at whether the release may be written."""
    from wareloom.core.run import Run
    from wareloom.preparing.splits import together
    from wareloom.privacy.ledger import Ledger, ledgers_folder
    from wareloom.release.bundles import refuse_models
    from wareloom.release.certificate import NAME
    from wareloom.release.evidence import Evidence
    from wareloom.release.places import inside_of
    from wareloom.release.policy import Policy
    from wareloom.shop import Shop

    refuse_models(synthetic)
    free(to, force, NAME)
    place_of(inside_of(to), force)
    real = Shop.open(shop)
    return Evidence(
        shop=real,
        synth=Shop.open(synthetic),
        policy=Policy.of(policy),
        ledger=Ledger.open(ledgers_folder(), real.fingerprint),
        run=Run(),
        holdout=together([Shop.open(part) for part in holdout]) if holdout else None,
    )
