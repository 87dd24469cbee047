"""Rankers of search that are made of others: fitting the members, and bringing their scores to one measure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.core.settings import Settings
from wareloom.errors import SettingError, require
from wareloom.rankers.search.base import SearchRanker
from wareloom.shop import Log, Shop


@dataclass(kw_only=True, eq=False)
class Members(Settings):
    """What rankers of search that ask others have in common. The members are fitted on the same shop.

    Stands before `SearchRanker` among a ranker's bases; the ranker implements `_match`:

        @dataclass(kw_only=True, eq=False)
        class Highest(Members, SearchRanker):
            '''The highest score any member gives, each in units of its spread.'''

            quick: ClassVar[Mapping[str, Any]] = {"members": ("bm25", "lambdamart")}

            def _learn(self, texts, weights, shop, run):
                self.asked_ = list(self.members_)

            def _match(self, queries):
                return np.max([scaled(scores) for scores in self._asked(queries)], axis=0)
    """

    members: tuple[str, ...] = ("bm25", "bm25_runs", "bi_encoder")
    """The rankers of search that are asked."""
    member_settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings by member, where they are not the defaults."""

    if TYPE_CHECKING:
        name: str
        items_: Any
        _blocks: Callable[[int], Iterator[tuple[int, int]]]

    def _check(self) -> None:
        super()._check()
        require(self.name, "members", self.members, len(self.members) > 0, "one ranker or more")
        different = len({*self.members}) == len(self.members)
        require(self.name, "members", self.members, different, "different rankers")
        known = {*self.member_settings} <= {*self.members}
        wanted = f"names among {', '.join(self.members)}"
        require(self.name, "member_settings", self.member_settings, known, wanted)
        for name, made in self._made().items():
            if not isinstance(made, SearchRanker) or isinstance(made, Members):
                raise SettingError(
                    f"{self.name}: the member {name!r} does not read queries by itself: take bm25, say."
                )

    def _made(self) -> dict[str, SearchRanker]:
        return {
            name: RANKERS.make(name, **self.member_settings.get(name, {})) for name in self.members
        }

    def by_updates(self) -> bool:
        """Whether a member is taught by gradient updates."""
        return any(member.by_updates() for member in self._made().values())

    @property
    def updates(self) -> int | None:
        """Gradient updates of the member that took the most, 0 where none takes any."""
        return max(member.updates or 0 for member in self.members_.values())

    @property
    def steps(self) -> int | None:
        """Updates after which the member stopped that went on longest, 0 where none takes any."""
        return max(member.steps or 0 for member in self.members_.values())

    def untaught(self) -> Self:
        """Return the same with members that need no judgments."""
        own = {name: made.untaught().settings() for name, made in self._made().items()}
        return replace(self, member_settings=own)

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        assert shop is not None
        self.members_ = {name: made.fit(shop, run, log=log) for name, made in self._made().items()}
        super()._fit(log, shop, run)  # type: ignore[misc]

    def _match(self, queries: Sequence[str]) -> np.ndarray:
        raise NotImplementedError

    def _asked(self, queries: Sequence[str]) -> list[np.ndarray]:
        """Scores of every member: float32 [queries, items] each."""
        return [member.match_all(queries) for member in self.members_.values()]

    def _match_pairs(
        self, queries: Sequence[str], query: np.ndarray, item: np.ndarray
    ) -> np.ndarray:
        found = np.zeros(len(query))
        for start, stop in self._blocks(len(queries)):
            rows = np.flatnonzero((query >= start) & (query < stop))
            found[rows] = self._match(queries[start:stop])[query[rows] - start, item[rows]]
        return found
