"""The ledger of a shop: what its users' privacy was spent on, written down before it is spent.

One file of JSON lines for each shop, found by the shop's fingerprint. Lines are only ever added. Each has a running
hash over all bytes before it, so a ledger that was edited or belongs to another shop is refused. Without a key this
guards against accidents and second thoughts, not against somebody who writes the whole file anew; with one
(`WARELOOM_LEDGER_KEY`, see `ledger_key`) who can write the folder alone can do neither that nor cut it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wareloom.core.files import beside
from wareloom.errors import BudgetError, OutputError, SettingError, SourceError
from wareloom.privacy import gaussian
from wareloom.privacy.accounting import Cost, Spent, compose, cost_of
from wareloom.privacy.ledger_key import NAMED, LedgerKey
from wareloom.privacy.ledger_lines import HEAD, SEAL, check_seals, hashed, lines_of

FORMAT = "wareloom ledger 1"
UNIT = "user: all rows in all tables"
PLACE = "WARELOOM_LEDGERS"
"""Environment variable with the folder that ledgers are kept in"""
LINK = ".same"
"""End of the name of a file that says whose ledger a shop has"""
ROUNDING = 1e-9
"""Relative excess of ε over a budget that is rounding, as where a budget is dealt out to its end"""


@dataclass(frozen=True)
class Entry:
    """One spending."""

    number: int
    purpose: str
    costs: tuple[Cost, ...]


@dataclass(frozen=True)
class Budget:
    """The most that may ever be spent."""

    epsilon: float
    delta: float


def ledgers_folder() -> Path:
    """Where ledgers are kept: `WARELOOM_LEDGERS`, or the folder of states of who runs this.

    By fingerprint and not beside the shop: a copy of the shop has the same ledger.
    """
    if named := os.environ.get(PLACE):
        return Path(named)
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(state) / "wareloom" / "ledgers"


class Ledger:
    """What was spent of one shop, and what may be. Several processes may use one at once."""

    def __init__(self, path: Path, fingerprint: str, key: LedgerKey | None = None) -> None:
        """`path`: the file; `fingerprint`: the shop that it was opened for, which may have another shop's ledger."""
        self.path, self.fingerprint, self.key = path, fingerprint, key
        self.owner = path.stem

    @classmethod
    def open(cls, folder: str | Path, fingerprint: str) -> Ledger:
        """Open the ledger of the shop with `fingerprint` in `folder`, or a new one whose budget is not yet set.

        A shop whose users are another's (`share`) has that one's. Raises `SourceError` where its file was edited, cut
        or is another shop's, or where it and the key of the environment do not belong together.
        """
        ledger = cls.unread(folder, fingerprint)
        if ledger.path.exists():
            ledger._read()
        return ledger

    @classmethod
    def unread(cls, folder: str | Path, fingerprint: str) -> Ledger:
        """The same without a look at what its file holds: for `seal`."""
        folder = Path(folder)
        key = LedgerKey.named(folder)
        link = (key.heads if key else folder) / f"{fingerprint}{LINK}"
        owner = link.read_text("utf-8").strip() if link.exists() else fingerprint
        return cls(folder / f"{owner}.jsonl", fingerprint, key)

    @property
    def id(self) -> str:
        """A name of the ledger with nothing of the shop in it; may leave."""
        return str(self._needed()[0]["id"])

    @property
    def budget(self) -> Budget | None:
        """The budget that holds; None where none was set."""
        return _budget(self._read())

    @property
    def began(self) -> str:
        """When it was begun, in UTC."""
        return str(self._needed()[0]["at"])

    def entries(self) -> list[Entry]:
        """All that was spent, in order."""
        return _entries(self._read())

    def total(self, delta: float | None = None) -> Spent:
        """What was spent together, at the budget's δ unless told another."""
        lines = self._read()
        budget = _budget(lines)
        if delta is None and budget is None:
            raise self._unset()
        at = delta if delta is not None else budget.delta if budget else 0.0
        return compose(_costs(lines), at)

    def allow(self, epsilon: float, delta: float, *, force: bool = False) -> None:
        """Set the budget, and begin the ledger where it is not there.

        A larger one than before needs `force` and stays visible; raises `BudgetError` otherwise, and for less than was
        spent.
        """
        gaussian.check_epsilon(epsilon)
        gaussian.check_delta(delta)
        with self._locked():
            lines = self._read()
            before = _budget(lines)
            if before == Budget(epsilon, delta):
                return
            if before and not force and (epsilon > before.epsilon or delta > before.delta):
                raise BudgetError(
                    f"{self.path} allows ε {before.epsilon:g} and δ {before.delta:g}; ε {epsilon:g} and δ {delta:g} is "
                    "more. What a budget promised to users does not grow by itself: --force raises it, and the ledger "
                    "says so for good."
                )
            spent = compose(_costs(lines), delta)
            if spent.epsilon > epsilon:
                raise BudgetError(
                    f"{self.path} has spent ε {spent.epsilon:.4g} at δ {delta:g}; it cannot be allowed ε {epsilon:g}."
                )
            if not lines:
                self._add({"format": FORMAT, "shop": self.owner, "id": secrets.token_hex(8)})
            self._add({"epsilon": epsilon, "delta": delta, "unit": UNIT})

    def spend(self, purpose: str, *costs: Cost) -> Entry:
        """Take `costs` out of the budget; on the disk before this returns, so call it before the mechanism runs.

        Raises `BudgetError` where all together would pass the budget. Nothing is spent then.
        """
        with self._locked():
            lines = self._fitting(costs, repr(purpose))
            number = len(_entries(lines)) + 1
            self._add({"purpose": purpose, "costs": [cost.to_json() for cost in costs]})
            return Entry(number, purpose, tuple(costs))

    def check(self, *costs: Cost) -> None:
        """Raise what `spend` would raise for `costs`, and spend nothing; another may spend in between."""
        self._fitting(costs, "This")

    def note(self, purpose: str) -> Entry:
        """Write down what costs nothing that is counted in ε, such as a release without noise; needs no budget."""
        with self._locked():
            lines = self._read()
            if not lines:
                self._add({"format": FORMAT, "shop": self.fingerprint, "id": secrets.token_hex(8)})
            self._add({"purpose": purpose, "costs": []})
            return Entry(len(_entries(lines)) + 1, purpose, ())

    def seal(self) -> None:
        """Take a ledger that was begun without a key as it stands: from now on the key seals it.

        Raises `SettingError` where no key is named, `SourceError` where the ledger was edited or is not there.
        """
        if self.key is None:
            raise SettingError(
                f"There is no key to seal by: {NAMED} names its file, which lies outside the folder of ledgers "
                "(head -c 32 /dev/urandom > FILE makes one)."
            )
        with self._locked():
            bare = Ledger(self.path, self.fingerprint)
            lines = bare._checked(lines_of(bare._held(), bare.path), bare._head())
            if not lines:
                raise self._unset()
            if any(SEAL in line for line in lines):
                self._read()
                return
            self._add({"sealed": True})

    def share(self, other: str) -> Ledger:
        """Let the shop with the fingerprint `other` have this ledger, too; returns it opened for that shop.

        For shops of the same users: a part of a split, the log of a month later. What is spent of either is spent of
        both. Raises `BudgetError` where the other has spent from a ledger of its own.
        """
        folder = self.path.parent
        with self._locked():
            self._needed()
            if (folder / f"{other}.jsonl").exists():
                raise BudgetError(
                    f"The shop {other[:12]}… has a ledger of its own ({folder / other}.jsonl): what was spent there "
                    "cannot be moved. Go on with the shop that has the budget."
                )
            with beside((self.key.heads if self.key else folder) / f"{other}{LINK}") as partial:
                partial.write_text(self.owner + "\n", "utf-8")
        return Ledger.open(folder, other)

    def to_json(self) -> dict[str, Any]:
        """What was allowed and spent, for those inside."""
        lines, budget = self._read(), self.budget
        entries = [
            {"purpose": e.purpose, "costs": [c.to_json() for c in e.costs]} for e in _entries(lines)
        ]
        spent = compose(_costs(lines), budget.delta) if budget else None
        return {
            "ledger": str(self.path),
            "unit": UNIT,
            "budget": {"epsilon": budget.epsilon, "delta": budget.delta} if budget else None,
            "spent": {"epsilon": spent.epsilon, "delta": spent.delta, "way": spent.way}
            if spent
            else None,
            "entries": entries,
        }

    def _fitting(self, costs: Sequence[Cost], said: str) -> list[dict[str, Any]]:
        """All lines, where `costs` would not pass the budget."""
        lines = self._read()
        budget = _budget(lines)
        if budget is None:
            raise self._unset()
        after = compose([*_costs(lines), *costs], budget.delta)
        if after.epsilon > budget.epsilon * (1 + ROUNDING):
            before = compose(_costs(lines), budget.delta)
            raise BudgetError(
                f"{said} would take what was spent from ε {before.epsilon:.4g} to {after.epsilon:.4g} at δ "
                f"{budget.delta:g}; the budget of this shop is ε {budget.epsilon:g}. Ask for less or with more "
                "noise; a new release does not begin anew."
            )
        return lines

    def _unset(self) -> SourceError:
        return SourceError(
            f"The shop has no privacy budget yet ({self.path}): wareloom budget SHOP --epsilon E --delta D sets it."
        )

    def _needed(self) -> list[dict[str, Any]]:
        if not (lines := self._read()):
            raise self._unset()
        return lines

    def _read(self) -> list[dict[str, Any]]:
        """All whole lines, checked, and held beside the key or its absence."""
        lines = self._checked(lines_of(self._held(), self.path), self._head())
        if lines:
            check_seals(lines, self.key, self.path)
        return lines

    def _held(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise SourceError(f"{self.path} cannot be read: {error.strerror or error}.") from error

    def _checked(self, lines: list[dict[str, Any]], head: Path) -> list[dict[str, Any]]:
        """Raise `SourceError` unless these are the lines of this shop's ledger, with the newest that is known."""
        if not lines:
            if self._held() or head.exists():
                raise SourceError(
                    f"{self.path} has lost its lines. Put the ledger back from a copy."
                )
            return []
        first = lines[0]
        if first.get("format") != FORMAT:
            raise SourceError(f"{self.path} is no ledger of this version of Wareloom.")
        if first.get("shop") != self.owner:
            raise SourceError(
                f"{self.path} is the ledger of another shop ({str(first.get('shop'))[:12]}…), not of "
                f"{self.owner[:12]}…. Each shop has its own."
            )
        known = head.read_text("utf-8").split() if head.exists() else []
        # A process that was killed between the two files leaves the head one line behind, never ahead.
        if known and known[0] not in {line[HEAD] for line in lines}:
            raise SourceError(
                f"{self.path} lacks lines that it had: it was cut or put back from an old copy. What was spent cannot "
                "be told; put the newest copy back."
            )
        return lines

    def _add(self, values: dict[str, Any]) -> None:
        """Add a line, on the disk before this returns."""
        try:
            held = self.path.read_bytes() if self.path.exists() else b""
            torn = held[-1:] not in (b"", b"\n")
            piece = b"\n" if torn else b""
            told = values | _moment() | ({"torn": True} if torn else {})
            line, head = hashed(held + piece, told, self.key)
            with self.path.open("ab") as file:
                file.write(piece + line)
                file.flush()
                os.fsync(file.fileno())
            _synced(self.path.parent)
            with beside(self._head()) as partial:
                partial.write_text(head + "\n", "utf-8")
                with partial.open("rb") as file:
                    os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(
                f"{self.path} cannot be written: {error.strerror or error}. Nothing is spent that is not written down: "
                f"look at the disk and its permissions, or name another folder by {PLACE}."
            ) from error

    def _head(self) -> Path:
        """Where the newest hash is kept: beside the key where there is one, out of reach of who writes the ledger."""
        return self.key.heads / f"{self.owner}.head" if self.key else self.path.with_suffix(".head")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        from filelock import FileLock

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._head().parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{error.filename} cannot be made: {error.strerror}.") from error
        with FileLock(self.path.with_suffix(".lock"), poll_interval=0.01):
            yield


def _moment() -> dict[str, str]:
    from datetime import UTC, datetime

    return {"at": datetime.now(UTC).isoformat(timespec="seconds")}


def _synced(folder: Path) -> None:
    """A file's name is on the disk only when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _budget(lines: Sequence[dict[str, Any]]) -> Budget | None:
    set_ = [line for line in lines if "epsilon" in line and "purpose" not in line]
    return Budget(set_[-1]["epsilon"], set_[-1]["delta"]) if set_ else None


def _entries(lines: Sequence[dict[str, Any]]) -> list[Entry]:
    spent = [line for line in lines if "purpose" in line]
    return [
        Entry(number, line["purpose"], tuple(cost_of(cost) for cost in line["costs"]))
        for number, line in enumerate(spent, start=1)
    ]


def _costs(lines: Sequence[dict[str, Any]]) -> list[Cost]:
    return [cost for entry in _entries(lines) for cost in entry.costs]
