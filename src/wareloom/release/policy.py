"""Policies: what must hold of a sample before it leaves, as a TOML file or by the name of a preset."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge

from wareloom.core.parse import read_toml
from wareloom.core.settings import Fraction, Positive, Settings, Share, Size, configure
from wareloom.errors import SettingError, SourceError, near, unknown
from wareloom.privacy.public import Public
from wareloom.shop.keeps import Keeps

Off = Literal["off"]


@dataclass(frozen=True, kw_only=True)
class Policy(Settings):
    """One gate a line; "off" leaves a gate open. What a file does not say is as in its `preset`."""

    preset: str = "public"
    """Where the other values come from that are not said: inside, partner or public."""
    keeps: Keeps = "private"
    """The most that the sample may hold of real users."""
    epsilon: Positive | Off = 3.0
    """Most ε of all that was ever spent of this shop, by its ledger."""
    delta: Fraction | Off = 1e-5
    """Most δ; and never more than 1 / (10 · users)."""
    attack_area: Annotated[float, Ge(0.5)] | Off = 0.55
    """Most that the upper end of any attack's area may be; guessing gets .5."""
    attack_tpr: Share | Off = 0.005
    """Most that the upper end of the share of members told may be, at one false alarm in a thousand."""
    attacks: tuple[str, ...] = ()
    """Attacks that are made; all that are not slow where none is named."""
    earlier: Literal["joined", "ignored"] = "ignored"
    """Whether attacks look at this sample and all that left before together; each of those has to be shown then."""
    min_users: Size | Off = "off"
    """Real users that a query or a value of an attribute must have, if it is any real user's at all."""
    pictures: Literal["product", "off"] = "product"
    """Whether pictures that were made for training may leave as if they showed products; product refuses them."""
    personal_data: Literal["refused", "allowed"] = "refused"
    """Whether texts may hold what recognisers take for personal data."""
    fidelity: dict[str, Positive] = field(default_factory=dict)
    """By the names of figures of `wareloom compare`: most times the floor that each may be."""
    lift: float | Off = "off"
    """Least that the lower end of the decisive lift of a proof must be, as .02 for 2 %."""
    ledger_days: Size | Off = 365
    """Most days since the shop's ledger was begun."""
    releases: Size | Off = "off"
    """Most releases of one shop, this one counted: each new draw tells more of the same users."""
    public: tuple[str, ...] = ()
    """Columns of items that anybody may see, as items.title; nothing else of the catalogue leaves but ids."""
    columns: Literal["public", "all"] = "public"
    """Whether columns that are for inside leave as well: context, propensities, soft labels, weights."""

    def _check(self) -> None:
        if self.preset not in PRESETS:
            raise unknown("preset of policies", self.preset, PRESETS)
        Public.of(self.public)

    @classmethod
    def of(cls, given: str | Path) -> Policy:
        """The preset of that name, or the policy of that file.

        Raises `SettingError` for a gate of another name, with those that are near, and for a value that none takes.
        """
        name = str(given)
        if name in PRESETS:
            return configure(cls, {"preset": name, **PRESETS[name]})
        path = Path(given)
        if not path.exists():
            raise SourceError(
                f"There is no policy {name!r}: neither a file, nor a preset ({', '.join(PRESETS)})."
                f"{near(name, PRESETS)}"
            )
        held = read_toml(path, "The policy")
        preset = held.get("preset", "public")
        if not isinstance(preset, str) or preset not in PRESETS:
            raise unknown("preset of policies", str(preset), PRESETS)
        fields = [one.name for one in dataclasses.fields(cls)]
        for gate in held:
            if gate not in fields:
                raise SettingError(
                    f"{path}: no gate is called {gate!r}.{near(gate, fields)} Known: {', '.join(sorted(fields))}."
                )
        try:
            return configure(cls, {"preset": preset, **PRESETS[preset], **held})
        except SettingError as error:
            raise SettingError(f"{path}: {error}") from error

    def to_json(self) -> dict[str, Any]:
        """All gates, as they are."""
        return dataclasses.asdict(self) | {
            "attacks": list(self.attacks),
            "public": list(self.public),
        }


_SHUT: dict[str, Any] = {"epsilon": "off", "delta": "off", "ledger_days": "off"}
PRESETS: dict[str, dict[str, Any]] = {
    "inside": {
        **_SHUT,
        "keeps": "people",
        "attack_area": "off",
        "attack_tpr": "off",
        "personal_data": "allowed",
        "columns": "all",
    },
    "partner": {**_SHUT, "keeps": "counts", "min_users": 5, "releases": 5, "earlier": "joined"},
    "public": {},
}
"""Values by preset, over the defaults. public: private samples alone; attacks are a smoke test, not the argument"""
