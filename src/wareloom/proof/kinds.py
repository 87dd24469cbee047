"""The kinds of proof: of recommendation, of clicks, of search."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from wareloom.core.run import Run
from wareloom.errors import SettingError, near
from wareloom.proof.clicks import ClickProofSettings, prove_clicks
from wareloom.proof.prove import prove
from wareloom.proof.queries import QueryProofSettings, prove_queries
from wareloom.proof.result import Proof
from wareloom.proof.settings import ProofSettings
from wareloom.sampling.generator import Generator
from wareloom.shop import Shop

AnySettings = ProofSettings | ClickProofSettings | QueryProofSettings


@dataclass(frozen=True)
class Kind:
    """One kind of proof: what it asks for, and how its data is split where nothing is said."""

    settings: type[Any]
    split: str


KINDS = {
    "recommendation": Kind(ProofSettings, "time"),
    "clicks": Kind(ClickProofSettings, "time"),
    "search": Kind(QueryProofSettings, "query"),
}


def kind_of(of: str) -> Kind:
    """Return the kind of proof called `of`; raises `SettingError` with the near names."""
    if of not in KINDS:
        raise SettingError(f"No proof is of {of!r}.{near(of, KINDS)} There are {', '.join(KINDS)}.")
    return KINDS[of]


def asked(of: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return `values` by name, checked to be settings of a proof of that kind; those that say nothing (None) go."""
    known = {field.name for field in fields(kind_of(of).settings)}
    said = {name: value for name, value in values.items() if value is not None}
    for name in said:
        if name not in known:
            raise SettingError(f"A proof of {of} has no setting {name!r}.{near(name, known)}")
    return said


def generator_of(of: str, synthesizer: str = "", values: dict[str, Any] | None = None) -> Generator:
    """Return the generator of a proof of that kind with this synthesizer, the kind's own where it is ""."""
    own: Generator = kind_of(of).settings().generator
    return Generator(
        synthesizer=synthesizer or own.synthesizer, settings=values or {}, screens=own.screens
    )


def prove_any(shop: Shop, settings: AnySettings | None = None, run: Run | None = None) -> Proof:
    """Prove what `settings` are of."""
    if isinstance(settings, ClickProofSettings):
        return prove_clicks(shop, settings, run)
    if isinstance(settings, QueryProofSettings):
        return prove_queries(shop, settings, run)
    return prove(shop, settings, run)
