"""So many synthetic rows for each real one, at one weight."""

from __future__ import annotations

from dataclasses import dataclass

from wareloom.core.run import Run
from wareloom.mixing._draw import Pool, UserMixer
from wareloom.shop import Shop


@dataclass(kw_only=True, eq=False)
class Ratio(UserMixer):
    """Add whole synthetic users, drawn at random, until there are `ratio` synthetic events for each real one."""

    def _mix(self, pool: Pool, run: Run) -> Shop:
        return pool.add(pool.draw(self.ratio, pool.order(run)), self.weight, self.head)
