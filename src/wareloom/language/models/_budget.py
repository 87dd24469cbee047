"""The budget of tokens and cost: a hard stop before the call that would pass it, and the estimate before the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wareloom.errors import BudgetError

Need = tuple[float, float]
"""Tokens read and written, and what they cost"""


@dataclass
class Budget:
    """What may be spent, what is, and what calls that are on their way may take at most."""

    tokens: int = 0
    """Tokens read and written in all; 0 sets no bound."""
    cost: float = 0.0
    """What they may cost in all; 0 sets no bound."""
    spent_tokens: float = 0
    """Tokens read and written so far."""
    spent_cost: float = 0.0
    """What they cost."""
    held_tokens: float = 0
    """Tokens that calls on their way may take."""
    held_cost: float = 0.0
    """What those may cost."""

    @property
    def idle(self) -> bool:
        """Whether no call is on its way."""
        return self.held_tokens <= 0

    def fits(self, need: Need) -> bool:
        """Say whether a call that takes this much at most leaves the budget kept."""
        tokens, cost = (
            self.spent_tokens + self.held_tokens + need[0],
            self.spent_cost + self.held_cost + need[1],
        )
        return (not self.tokens or tokens <= self.tokens) and (not self.cost or cost <= self.cost)

    def room(self, needs: Sequence[Need]) -> int:
        """Return how many of the calls fit, in their order; `BudgetError` where not even the first does."""
        total = (0.0, 0.0)
        for count, need in enumerate(needs):
            total = (total[0] + need[0], total[1] + need[1])
            if not self.fits(total):
                if not count:
                    raise self.refusal(need)
                return count
        return len(needs)

    def hold(self, need: Need) -> None:
        """Set aside what a call may take; `BudgetError` where it does not fit."""
        if not self.fits(need):
            raise self.refusal(need)
        self.held_tokens += need[0]
        self.held_cost += need[1]

    def settle(self, held: Need, used: Need) -> None:
        """Put what a call took in the place of what was set aside for it."""
        self.held_tokens -= held[0]
        self.held_cost -= held[1]
        self.spent_tokens += used[0]
        self.spent_cost += used[1]

    def refusal(self, need: Need) -> BudgetError:
        """Build the error that says which bound a call would pass."""
        if self.tokens and self.spent_tokens + self.held_tokens + need[0] > self.tokens:
            spent, bound, next_, setting = self.spent_tokens, self.tokens, need[0], "token_budget"
            said = f"{bound:,} tokens would be passed: {spent:,.0f} are spent and the next call may take {next_:,.0f}"
        else:
            setting = "cost_budget"
            said = (
                f"{self.cost:g} would be passed: {self.spent_cost:.4g} is spent and the next call may cost "
                f"{need[1]:.4g}"
            )
        return BudgetError(
            f"The budget of {said}. What was answered is in the run's cache folder, if any; raise {setting} to go on."
        )
