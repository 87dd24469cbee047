"""Gates: small functions of the evidence, in one table; each says whether it is passed, by how much, and what to do."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from wareloom.errors import SourceError
from wareloom.language.runs import LEAST
from wareloom.privacy.accounting import Spent, compose
from wareloom.release.evidence import Evidence
from wareloom.release.moment import now
from wareloom.release.remedies import remedy, talk_alone
from wareloom.release.texts import Bad
from wareloom.shop.keeps import ORDER
from wareloom.shop.pictures import training_pictures

DAY = datetime.timedelta(days=1)
USERS_A_DELTA = 10
"""δ is at most 1 over so many times the users"""


@dataclass(frozen=True)
class Check:
    """What one gate found."""

    name: str
    passed: bool
    measured: Any
    limit: Any
    said: str
    """By how much it is missed, or held"""
    remedy: str = ""
    """The cheapest way to pass, with its price where that was measured"""

    def to_json(self) -> dict[str, Any]:
        """All of it, for those inside."""
        measured = self.measured
        if isinstance(measured, float) and not math.isfinite(measured):
            measured = str(measured)
        return asdict(self) | {"measured": measured}


def keeps(of: Evidence) -> Check:
    """What the sample holds of real users is no worse than the policy says."""
    limit, found = of.policy.keeps, of.keeps
    remedy = {
        "people": f"sample with {_nobodys(of)}, which keeps counts",
        "counts": "sample with a private generator: wareloom list synthesizer says what each keeps",
        "private": "",
    }[found]
    unknown = "" if of.synth.keeps else ": its shop.json does not say, and unknown counts as people"
    if of.synth.keeps == "private" != found:
        unknown = ": it says private, and carries no account of a ledger"
    said = f"the sample keeps {found}{unknown}; the policy takes {limit} or less"
    return Check("keeps", ORDER.index(found) <= ORDER.index(limit), found, limit, said, remedy)


def epsilon(of: Evidence) -> Check | None:
    """All that was ever spent of the shop, by its ledger, is within ε: ten small releases are no way around it."""
    limit = of.policy.epsilon
    if limit == "off":
        return None
    why, spent = _account(of)
    if spent is None:
        remedy = "sample with a private generator, after wareloom budget SHOP --epsilon E --delta D"
        return Check("epsilon", False, math.inf, limit, f"{why}, so that its ε is infinite", remedy)
    said = f"ε {spent.epsilon:.4g} was spent of this shop at δ {spent.delta:g}, in all; the policy takes {limit:g}"
    remedy = (
        f"raise epsilon to {spent.epsilon:.3g} in the policy; what is spent does not come back, "
        "a smaller sample of the same generator costs as much"
    )
    return Check("epsilon", spent.epsilon <= limit * (1 + 1e-9), spent.epsilon, limit, said, remedy)


def delta(of: Evidence) -> Check | None:
    """δ is within the policy, and at most 1 / (10 · users)."""
    limit = of.policy.delta
    if limit == "off":
        return None
    stamp = of.stamp
    if stamp is None:
        return Check(
            "delta", False, 1.0, limit, "the sample carries no account of a ledger", "see epsilon"
        )
    found = float(stamp.get("delta", 1.0))
    users = int((stamp.get("users") or {}).get("number") or 0)
    most = min(limit, 1 / (USERS_A_DELTA * users)) if users else limit
    said = f"δ {found:g}; the policy takes {limit:g}, and 1 / ({USERS_A_DELTA} · users) is the most"
    return Check("delta", found <= most, found, most, said, f"spend again with --delta {most:.1e}")


def attack_area(of: Evidence) -> Check | None:
    """The upper end of the worst attack's area is within the policy."""
    limit = of.policy.attack_area
    if limit == "off":
        return None
    if of.policy.earlier == "joined" and of.unseen:
        return _unseen("attack_area", of, limit)
    worst, high = of.attacks.worst, of.attacks.high
    said = (
        f"the worst of {len(of.attacks.evidence)} attacks, {worst.name}, tells members with an area of "
        f"{worst.area.value:.3f}; upper ends reach {high:.3f}, the policy takes {limit:g}"
    )
    value = worst.area.value
    times = ((high - value) / (limit - value)) ** 2 if value < limit else math.inf
    remedy = _less_told(of, value, limit, times)
    return Check("attack_area", high <= limit, high, limit, said, remedy)


def attack_tpr(of: Evidence) -> Check | None:
    """The upper end of the share of members told at one false alarm in a thousand is within the policy."""
    limit = of.policy.attack_tpr
    if limit == "off":
        return None
    if of.policy.earlier == "joined" and of.unseen:
        return _unseen("attack_tpr", of, limit)
    high = of.attacks.tpr_high()
    value = max(one.tpr(0.001).value for one in of.attacks.evidence)
    said = (
        f"attacks tell {value:.2%} of members at one false alarm in a thousand; upper ends reach {high:.2%}, "
        f"the policy takes {limit:.2%}"
    )
    remedy = _less_told(of, value, limit, high / limit if limit else math.inf)
    return Check("attack_tpr", high <= limit, high, limit, said, remedy)


def _unseen(name: str, of: Evidence, limit: float) -> Check:
    number = len(of.unseen)
    said = (
        f"{number} earlier releases of this shop were not shown ({', '.join(of.unseen[:5])}): what left before "
        "is judged together with what is to leave"
    )
    remedy = 'give each with --earlier FOLDER, or say earlier = "ignored" in the policy and count them by releases'
    return Check(name, False, None, limit, said, remedy)


def _less_told(of: Evidence, value: float, limit: float, times: float) -> str:
    """`times`: how many times the targets would make the interval narrow enough, where the figure itself is."""
    if value <= limit:
        users = min(of.attacks.worst.members, of.attacks.worst.others)
        needed = f", about {math.ceil(users * times):,}" if math.isfinite(times) else ""
        return f"the interval is wide and not the figure: more users in SHOP and --holdout than these {users:,}{needed}"
    if of.generator is not None:
        held = vars(of)
        # Both gates of attacks ask, and it takes minutes.
        held["remedy"] = held.get("remedy") or remedy(of)
        return str(held["remedy"])
    way = "a larger min_users (--set min_users=10), or with a private generator"
    if of.keeps == "people" or talk_alone(of.synth):
        way = _nobodys(of)
    return f"sample with {way}; --generator NAME tries such ways, and says what each costs"


def _nobodys(of: Evidence) -> str:
    """The setting by which a sample keeps counts where it kept people."""
    if talk_alone(of.synth):
        return f"phrases of {LEAST} dialogues or more alone: --set seen_in={LEAST}"
    return "structure = learned: --set structure=learned"


def min_users(of: Evidence) -> Check | None:
    """No query, turn or value of an attribute leaves that some real users have, and fewer than the policy asks.

    Of turns neither does a run of 12 words that fewer than `LEAST` real dialogues have.
    """
    limit = of.policy.min_users
    if limit == "off":
        return None
    found = of.cells
    what = f"a query or an attribute's value that fewer than {limit} real users have"
    if of.synth.rows("dialogues"):
        what += (
            f", a turn that fewer dialogues have, or a run of words that fewer than {LEAST} have"
        )
    number = f"{found.number:,} rows hold" if found.number else "no row holds"
    said = f"{number} {what}"
    if found.number:
        said += f" ({', '.join(f'{n} × {kind}' for kind, n in found.kinds.items())})"
    return _rows("min_users", of, found, said)


def personal_data(of: Evidence) -> Check | None:
    """No text holds personal data, and no picture's metadata do."""
    if of.policy.personal_data == "allowed":
        return None
    found = of.personal
    kinds = ", ".join(f"{n} × {kind}" for kind, n in found.kinds.items())
    said = (
        f"{found.number:,} rows hold personal data ({kinds})"
        if found.number
        else "no text holds personal data"
        + (", no picture a place, a name or a camera's number" if of.goes.has("images") else "")
    )
    return _rows("personal_data", of, found, said)


def _rows(name: str, of: Evidence, found: Bad, said: str) -> Check:
    passed = of.leave_out or not found.number
    remedy = f"--leave-out leaves these rows out; price: {found.number:,} of {found.of:,} ({found.share:.2%})"
    if of.leave_out and found.number:
        said += "; they are left out"
    return Check(name, passed, found.number, 0, said, remedy)


def fidelity(of: Evidence) -> Check | None:
    """Every figure that the policy names is within so many times its floor."""
    limits = of.policy.fidelity
    if not limits:
        return None
    held = {figure["name"]: figure for figure in of.comparison.data["figures"]}
    if lost := [name for name in limits if name not in held]:
        of.comparison.figure(lost[0])
    ratios = {name: held[name]["ratio"] for name in limits}
    over = {n: r for n, r in ratios.items() if r is None or r > limits[n]}
    shown = ", ".join(f"{n} {_times(ratios[n])} (at most {limits[n]:g})" for n in over or ratios)
    said = f"times the floor: {shown}"
    remedy = "take a generator nearer to the real log, or raise the bar in the policy: likeness costs privacy"
    return Check("fidelity", not over, ratios, dict(limits), said, remedy)


def _times(ratio: float | None) -> str:
    return "beyond all number" if ratio is None else f"{ratio:.2f}"


def lift(of: Evidence) -> Check | None:
    """The lower end of the decisive lift of a proof is at least what the policy asks."""
    limit = of.policy.lift
    if limit == "off":
        return None
    row = of.lift
    low = row.get("lift_low")
    found = -math.inf if low is None else float(low)
    lifted = f"{_percent(row.get('lift'))}, from {_percent(low)}"
    said = f"the decisive lift is {lifted}; the policy asks for {limit:.1%} or more"
    return Check(
        "lift",
        found >= limit,
        found,
        limit,
        said,
        "prove with more seeds or users, or another generator",
    )


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}"


def ledger_days(of: Evidence) -> Check | None:
    """The shop's ledger was begun no longer ago than the policy says."""
    limit = of.policy.ledger_days
    if limit == "off":
        return None
    try:
        began = datetime.datetime.fromisoformat(of.ledger.began)
    except SourceError as error:
        remedy = "wareloom budget SHOP --epsilon E --delta D begins one"
        return Check(
            "ledger_days",
            False,
            math.inf,
            limit,
            f"the shop has no ledger: {str(error).rstrip('.')}",
            remedy,
        )
    days = (now() - began) / DAY
    said = f"the ledger was begun {days:.1f} days ago; the policy takes {limit}"
    remedy = (
        "look anew at what may be promised to these users, then say so in ledger_days of the policy"
    )
    return Check("ledger_days", 0 <= days <= limit, round(days, 1), limit, said, remedy)


def releases(of: Evidence) -> Check | None:
    """No more releases of one shop than the policy says, this one counted."""
    limit = of.policy.releases
    if limit == "off":
        return None
    number = of.releases() + 1
    said = f"this is release {number} of this shop, by its ledger; the policy takes {limit}"
    remedy = "release no more of this shop: each draw tells more of the same users; a private generator pays for that"
    return Check("releases", number <= limit, number, limit, said, remedy)


def pictures(of: Evidence) -> Check | None:
    """No picture that was made for training leaves as a product's photo."""
    if of.policy.pictures == "off" or of.policy.columns != "all" or not of.synth.has("images"):
        return None
    found = len(training_pictures(of.synth))
    rows = of.synth.rows("images")
    said = f"{found:,} of {rows:,} pictures were made for training, which show no product that there is"
    remedy = (
        "leave the table images out, or put real photos before a background of your own: wareloom synth "
        "image_background SHOP --to DIR changes no pixel of a product"
    )
    return Check("pictures", not found, found, 0, said, remedy)


def _account(of: Evidence) -> tuple[str, Spent | None]:
    """Why the sample has no account of this shop's ledger, or what was spent of it at the sample's δ."""
    stamp = of.stamp
    if stamp is None:
        return "the sample carries no account of a ledger", None
    if stamp.get("private") is not True:
        return f"the sample is stamped {stamp.get('noise', 'not private')!r}", None
    try:
        if stamp.get("ledger") != of.ledger.id:
            return "the sample's account is of the ledger of another shop", None
        costs = [c for ledger in of.ledgers for entry in ledger.entries() for c in entry.costs]
        return "", compose(costs, float(stamp["delta"]))
    except (KeyError, TypeError, ValueError) as error:
        return f"the sample's account cannot be held beside this shop's ledger ({error})", None


GATES: dict[str, Callable[[Evidence], Check | None]] = {
    gate.__name__: gate
    for gate in (
        keeps,
        epsilon,
        delta,
        ledger_days,
        releases,
        pictures,
        personal_data,
        min_users,
        lift,
        attack_area,
        attack_tpr,
        fidelity,
    )
}
"""All gates, the quick ones first"""
