"""Rankers of search that are made of others: fitting the members, and bringing their scores to one measure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import SettingError, require
from wareloom.rankers.search.base import SearchRanker
from wareloom.shop import Log, Shop


class Members:
    """What rankers of search that ask others have in common. The members are fitted on the same shop.

    Stands before `SearchRanker` among a ranker's bases; the ranker itself has the settings members and member_settings.
    """

    if TYPE_CHECKING:
        name: str
        items_: Any
        _blocks: Callable[[int], Iterator[tuple[int, int]]]
        members: tuple[str, ...]
        member_settings: dict[str, dict[str, Any]]

    def _check_members(self) -> None:
        require(self.name, "members", self.members, len(self.members) > 0, "one ranker or more")
        require(
            self.name,
            "members",
            self.members,
            len({*self.members}) == len(self.members),
            "different rankers",
        )
        known = f"names among {', '.join(self.members)}"
        require(
            self.name,
            "member_settings",
            self.member_settings,
            {*self.member_settings} <= {*self.members},
            known,
        )
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
    def updates_(self) -> int:
        """Gradient updates of the member that took the most."""
        return max(int(getattr(member, "updates_", 0)) for member in self.members_.values())

    def untaught(self) -> Self:
        """Return the same with members that need no judgments."""
        own = {name: made.untaught().settings() for name, made in self._made().items()}
        return replace(self, member_settings=own)  # type: ignore[type-var]

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
