"""Does every event keep the rules that the shop declares?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import polars as pl
from annotated_types import Ge

from wareloom.core.run import Run
from wareloom.screening import Screen, Screened, divide
from wareloom.screening._breaks import CannotJudge, Facts, breaks
from wareloom.screening._learned import learned
from wareloom.screening._rule_files import as_toml, read_rules
from wareloom.screening._rule_kinds import Rule
from wareloom.shop import Shop


@dataclass(kw_only=True, eq=False)
class Rules(Screen):
    """Take what breaks the rules of a small TOML file: the funnel, stock, ranges, hours, how many, what is forbidden.

    With an event that breaks a rule its user goes whole, or its session, or the event alone, as the rule says. What
    goes may leave another rule broken, so all are asked again until none is. Rules that look at what the shop lacks,
    such as hours where there are no times, are named in the report and take nothing.
    """

    looks_at: ClassVar[Literal["draws", "sample", "end"]] = "sample"

    file: str = ""
    """The file of rules; docs/rules.md says what it may hold."""
    learn: bool = False
    """Whether rules that the training part never breaks are kept, too; the report shows them."""
    support: Annotated[int, Ge(20)] = 200
    """Events that by chance would break a rule before it is learned."""

    def screen(
        self, synthetic: Shop, train: Shop, holdout: Shop | None = None, run: Run | None = None
    ) -> Screened:
        """Reject user by user, session by session or row by row; the training part serves to learn rules."""
        run = run or Run()
        declared = read_rules(self.file) if self.file else []
        catalogue = train.table("items")
        with run.task("rules"):
            found = (
                learned(Facts(train, catalogue), self.support)
                if self.learn and train.has("events")
                else []
            )
            rules = _named([*found, *declared])
            facts = Facts(synthetic, catalogue)
            reasons, silent = _broken(rules, facts)
        rows = synthetic.scan("events").with_row_index("row").collect()
        rows = rows.join(reasons, on="row", how="left", maintain_order="left").drop("row")
        screened = divide(synthetic, rows)
        screened.report["rules"] = list(rules)
        if silent:
            screened.report["not judged"] = silent
        if found:
            screened.report["learned"] = as_toml(found).splitlines()
        if not rules:
            screened.report["note"] = (
                "There are no rules: set file, or learn = true." if not self.learn else NONE
            )
        screened.report.update(_of_users(facts, reasons))
        return screened


NONE = "There are no rules: no file is set, and the training part has too few events to learn any."


def _named(rules: list[Rule]) -> dict[str, Rule]:
    """Rules by their words, a second one of the same words as "… (2)"."""
    named: dict[str, Rule] = {}
    for rule in rules:
        before = sum(rule.told() == other.told() for other in named.values())
        named[f"{rule.told()} ({before + 1})" if before else rule.told()] = rule
    return named


def _broken(rules: dict[str, Rule], facts: Facts) -> tuple[pl.DataFrame, dict[str, str]]:
    """Rows that must go, each with the rule that it went for; and why rules could not be judged, by their words."""
    frame, silent = facts.frame, dict[str, str]()
    parts = [pl.DataFrame(schema={"row": pl.UInt32, "reason": pl.String})]
    while True:
        before = len(frame)
        for words, rule in rules.items():
            if words in silent:
                continue
            try:
                broken = breaks(rule, facts, frame)
            except CannotJudge as error:
                silent[words] = str(error)
                continue
            if broken.any():
                goes = frame.with_columns(broken).select(_with(rule))["broken"]
                parts.append(
                    frame.filter(goes).select(pl.col("row").cast(pl.UInt32), reason=pl.lit(words))
                )
                frame = frame.filter(~goes)
        if len(frame) == before:
            return pl.concat(parts), silent


def _with(rule: Rule) -> pl.Expr:
    """Whether each event goes when those that are marked `broken` break `rule`."""
    keys: dict[str, list[str]] = {"user": ["owner"], "session": ["owner", "session"]}
    return (
        pl.col("broken") if rule.takes == "event" else pl.col("broken").any().over(keys[rule.takes])
    )


def _of_users(facts: Facts, reasons: pl.DataFrame) -> dict[str, Any]:
    """How many users lost something, and how many of them all."""
    row = facts.frame.select("row", "owner").with_columns(pl.col("row").cast(pl.UInt32))
    each = (
        row.join(reasons, on="row", how="left")
        .group_by("owner")
        .agg(left=pl.col("reason").is_null().sum(), all=pl.len())
    )
    touched = each.filter(pl.col("left") < pl.col("all"))
    return {
        "users": int((touched["left"] == 0).sum()),
        "users touched": len(touched),
        "of users": len(each),
    }
