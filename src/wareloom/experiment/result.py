"""What a proof says, as one typed value: what `proof.json` holds, and all that read it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NotRequired, get_args

import numpy as np
import polars as pl
from typing_extensions import TypedDict

from wareloom.core import frames, notebook
from wareloom.core.files import replacing
from wareloom.core.state import read_json, write_json
from wareloom.errors import SourceError, unknown
from wareloom.experiment._card import card_of

VERSION = 4
"""Of what `proof.json` holds"""
Verdict = Literal["helps", "helps, but", "embedding suffices", "no evidence", "hurts"]
Tabled = Literal["arms", "comparisons", "power", "headline"]
"""Tables of a proof"""


class Tried(TypedDict):
    """One ratio on the validation part."""

    ratio: float
    value: float | None


class ArmRatio(TypedDict):
    """The ratio of an arm that has one of its own."""

    ratio: float
    tried: list[Tried]


class RatioChoice(TypedDict):
    """The ratio that was taken; nothing was tried where there was nothing to choose."""

    ratio: float
    metric: str
    tried: list[Tried]
    real: float | None
    others: NotRequired[dict[str, ArmRatio]]


class Mode(TypedDict):
    """One order of the events of one time."""

    ties: str
    split: dict[str, Any]
    task: dict[str, Any]
    choice: RatioChoice
    synthetic: dict[str, Any]
    curves: NotRequired[dict[str, Any]]


class ArmRow(TypedDict):
    """Mean and interval of an arm in one metric and slice; metrics of the whole catalogue have no interval."""

    ties: str
    arm: str
    metric: str
    slice: str
    mean: float | None
    low: float | None
    high: float | None
    requests: int | None


class BaselineRow(TypedDict):
    """A ranker on real data alone; `refused` says why it could not be had."""

    ties: str
    ranker: str
    metric: NotRequired[str]
    slice: NotRequired[str]
    mean: NotRequired[float | None]
    low: NotRequired[float | None]
    high: NotRequired[float | None]
    requests: NotRequired[int | None]
    refused: NotRequired[str]


class TrainingRow(TypedDict):
    """What an arm was trained on, seed by seed: rows of its table, and where its ranker takes any, the gradient updates
    that were planned, and the steps after which it stopped; of a system the weights of its members."""

    ties: str
    arm: str
    events: NotRequired[list[int]]
    judgments: NotRequired[list[int]]
    images: NotRequired[list[int]]
    dialogues: NotRequired[list[int]]
    updates: NotRequired[list[int]]
    steps: NotRequired[list[int]]
    weights: NotRequired[list[dict[str, float]]]


class ComparisonRow(TypedDict):
    """An arm against another; lifts are gains, above 0 where the arm is better."""

    ties: str
    arm: str
    against: str
    metric: str
    slice: str
    requests: int
    difference: float | None
    low: float | None
    high: float | None
    lift: float | None
    lift_low: float | None
    lift_high: float | None
    p: float
    verdict: str
    family: str
    p_adjusted: float
    correction: str


class PowerRow(TypedDict):
    """What could have been found against a control, and what it would take to find more."""

    against: str
    requests: int
    seeds: int
    spread: dict[str, Any]
    detectable: float | None
    detectable_lift: float | None
    effect: float | None
    effect_lift: float | None
    named: bool
    power: float | None
    requests_needed: int | None
    seeds_needed: int | None
    impressions_needed: NotRequired[int | None]
    clicks_needed: NotRequired[int | None]


class Decisive(TypedDict):
    """What the verdict hangs on."""

    ties: str
    metric: str
    against: str
    controls: list[str]


class RowsVerdict(TypedDict):
    """Whether rows help beyond what the same knowledge gives without them."""

    against: str
    verdict: Literal["rows help", "no evidence", "distil"]
    sentence: str


class Guard(TypedDict):
    """Slices that fall, or may fall, beyond the guard."""

    guard: float
    falls: list[dict[str, Any]]
    not_excluded: list[dict[str, Any]]
    warnings: list[str]


class Story(TypedDict):
    """The proof in plain sentences."""

    finding: str
    controls: str
    slices: str
    rows: str
    references: list[str]
    power: str
    next: list[str]


class TellingWords(TypedDict):
    """The words of the kind of proof."""

    askers: str
    purpose: str
    arms: dict[str, str]


class FrozenNote(TypedDict):
    """Whether recipe, code and data were written down before the test part was read, as far as the job's folder knows.

    `frozen` is true only where all three are what was frozen, and the folder's ledger knows of no look outside of that
    freeze; `why` says so, or what stands against it.
    """

    frozen: bool
    why: str
    at: str
    """When the recipe was frozen, in UTC"""
    recipe: str
    """Digests of what ran"""
    code: str
    data: str | None
    looks: int
    """Looks at the test part in the folder's ledger that were no repeats of this proof"""
    seen: list[str]
    """What was declared as seen before"""


class Choice(TypedDict):
    """What the proof chose, and what is made by it: generator, ratio, mixer, ranker."""

    generator: dict[str, Any]
    """Synthesizers with their settings, screens with theirs"""
    mixer: str
    mixer_settings: dict[str, Any]
    ratio: float
    ranker: str
    ranker_settings: dict[str, Any]
    updates: int | None
    """Gradient updates that every arm took; None where the ranker takes none"""


class ProofData(TypedDict):
    """What `proof.json` holds."""

    version: int
    kind: str
    words: TellingWords
    better: dict[str, str]
    shop: dict[str, Any]
    settings: dict[str, Any]
    seed: int
    modes: list[Mode]
    arms: list[ArmRow]
    arms_left_out: dict[str, str]
    training: list[TrainingRow]
    comparisons: list[ComparisonRow]
    baselines: list[BaselineRow]
    power: list[PowerRow]
    explored: dict[str, list[dict[str, Any]]]
    verdict: Verdict
    sentence: str
    decisive: Decisive
    rows: NotRequired[RowsVerdict]
    guard: Guard
    choice: Choice
    story: Story
    frozen: NotRequired[FrozenNote]


@dataclass(frozen=True)
class Proof:
    """The outcome of an experiment; `data` is what `proof.json` holds."""

    data: ProofData

    @property
    def verdict(self) -> str:
        """What was found: "helps"; "helps, but" where a slice falls beyond the guard; "embedding suffices" where every
        control is beaten and a pretrained encoder without synthetic data is not; "no evidence"; or "hurts"."""
        return self.data["verdict"]

    @property
    def choice(self) -> Choice:
        """What the proof chose; `wareloom.recipe` makes a model by it."""
        return self.data["choice"]

    @property
    def id(self) -> str:
        """A digest of all that the proof says: the same proof has the same one, on any machine."""
        text = json.dumps(rounded(self.data), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def arms(self) -> pl.DataFrame:
        """Columns ties, arm, slice, metric, mean, low, high, requests."""
        return pl.DataFrame(self.data["arms"], infer_schema_length=None)

    def comparisons(self) -> pl.DataFrame:
        """Columns ties, arm, against, slice, metric, difference, low, high, lift, lift_low, lift_high, p, verdict.

        And `family`, `p_adjusted` for the number of comparisons of that family, and the `correction` used.
        """
        return pl.DataFrame(self.data["comparisons"], infer_schema_length=None)

    def power(self) -> pl.DataFrame:
        """What could have been found against each control, and how many users or seeds it would take to find more."""
        return pl.DataFrame(self.data["power"], infer_schema_length=None)

    def headline(self) -> pl.DataFrame:
        """The comparisons on the deciding metric: columns arm, against, lift, lift_low, lift_high, p, verdict."""
        decisive = self.data["decisive"]
        rows = self.comparisons().filter(
            (pl.col("ties") == decisive["ties"])
            & (pl.col("metric") == decisive["metric"])
            & (pl.col("slice") == "all")
        )
        return rows.select("arm", "against", "lift", "lift_low", "lift_high", "p", "verdict")

    def to_polars(self, table: Tabled = "arms") -> pl.DataFrame:
        """Return a table as a frame of polars: arms, comparisons, power or headline."""
        if table not in get_args(Tabled):
            raise unknown("table of a proof", str(table), get_args(Tabled))
        frame: pl.DataFrame = getattr(self, table)()
        return frames.unnested(frame)

    def to_pandas(self, table: Tabled = "arms") -> Any:
        """Return a table as a frame of pandas; raises `MissingExtraError` where pandas is not installed."""
        return frames.to_pandas(self.to_polars(table))

    def save(self, folder: str | Path) -> None:
        """Write `proof.json` into `folder`, which is made; an older proof there is replaced."""
        with replacing(Path(folder), marker="proof.json") as partial:
            write_json(partial / "proof.json", self.data)

    @classmethod
    def open(cls, folder: str | Path) -> Proof:
        """Read what `save` wrote; raises `SourceError` where another version of Wareloom wrote it, or it is damaged."""
        path = Path(folder) / "proof.json"
        data = read_json(path)
        if not isinstance(data, dict) or data.get("version") != VERSION:
            raise SourceError(
                f"{folder} holds a proof of another version of Wareloom: prove it again, or use that one."
            )
        from pydantic import TypeAdapter, ValidationError

        try:
            TypeAdapter(ProofData).validate_python(data, strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise SourceError(
                f"{path} is no whole proof: {where}: {first['msg']}. Was it edited, or cut short? Prove it again."
            ) from error
        return cls(data)  # type: ignore[arg-type]

    def __str__(self) -> str:
        return self.data["sentence"]

    def __repr__(self) -> str:
        return notebook.line("Proof", self.data["kind"], f"{self.verdict}: {self}")

    def _repr_html_(self) -> str:
        return card_of(self.data, str(self), self.headline())


def schema() -> dict[str, Any]:
    """The JSON schema of `proof.json`."""
    from pydantic import TypeAdapter

    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | TypeAdapter(
        ProofData
    ).json_schema()


def rounded(value: Any) -> Any:
    """Keep eight significant digits of every float: more would only differ between processors."""
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(entry) for entry in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.8g}") if np.isfinite(value) else None
    return value
