"""The proof of the best system: what an ensemble gains by one more member, taught on real or on synthetic data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.core.settings import Positive
from wareloom.errors import SettingError
from wareloom.evaluation.ranking import Evaluation
from wareloom.evaluation.tasks import Task
from wareloom.experiment.plan import (
    DIRECT,
    FEATURES,
    FEATURES_MIXED,
    MIXED,
    REAL,
    SYNTHETIC,
    WITHOUT_POOL,
    Plan,
)
from wareloom.experiment.settings import ExperimentSettings
from wareloom.experiment.study import Cell, Study, Words
from wareloom.proof.arms import training_data
from wareloom.proof.recommendation import ProofSettings, Recommendation
from wareloom.rankers import Ranker
from wareloom.rankers.held import Held
from wareloom.rankers.hybrid.stack import Stack
from wareloom.rankers.members import fit_members
from wareloom.sampling.generator import Pool
from wareloom.shop import Log, Shop

ENSEMBLE, BOTH, ALL = "ensemble", "real, both", "real, both + synthetic"
"""No network; networks on real data with and without features; these and one taught on synthetic data"""
NETWORKS: dict[str, tuple[str, ...]] = {
    ENSEMBLE: (),
    REAL: (REAL,),
    FEATURES: (FEATURES,),
    DIRECT: (DIRECT,),
    MIXED: (MIXED,),
    FEATURES_MIXED: (FEATURES_MIXED,),
    BOTH: (REAL, FEATURES),
    ALL: (REAL, FEATURES, MIXED),
}
"""The networks of each arm's system, called by the data that they are taught on"""
ALONE = ", alone"
"""What follows the name of a metric of the network without the ensemble"""
WITH_TEXT = (FEATURES, FEATURES_MIXED)


@dataclass(frozen=True, kw_only=True)
class SystemProofSettings(ProofSettings):
    """What is proved of the best system, and how hard."""

    ranker: str = "stack"
    """The system: a stack, whose weights are learned on the validation part."""
    ranker_settings: dict[str, Any] = field(
        default_factory=lambda: {
            "members": ("transitions", "item_knn", "ease", "text_knn", "attributes")
        }
    )
    """Its settings; its members learn from real rows alone."""
    network: str = "sasrec"
    """The member that each arm adds, taught on the arm's data."""
    network_settings: dict[str, Any] = field(default_factory=dict)
    """Its settings."""
    baselines: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Other rankers, with their settings, that stand beside on real data alone."""
    ratios: tuple[Positive, ...] = (4.0,)
    """Synthetic rows, or weight of labels, for each real event; the best on the validation part is taken."""

    def check(self) -> None:
        """See `ExperimentSettings.check`; the network has to take soft labels."""
        super().check()
        if self.ranker != "stack":
            raise SettingError(
                f"A proof of the best system adds members to a stack, not to {self.ranker!r}: leave the ranker out."
            )
        network: Ranker = RANKERS.make(self.network, **self.network_settings)
        if not network.soft:
            raise SettingError(
                f"The network {self.network!r} cannot be taught soft labels, which one arm has: take sasrec, say."
            )


class System(Recommendation, Study):
    """Whether a network taught on synthetic data lifts the best system more than one taught on real data does.

    Every arm is one stack over the same members, with other networks beside them. The networks are stopped, and the
    weights learned, by the validation part, which is in no member's training and in no pool. The claim is real +
    synthetic over the best of real, features and direct labels.
    """

    kind: ClassVar[str] = "system"
    settings_of: ClassVar[type[ExperimentSettings]] = SystemProofSettings
    settings: SystemProofSettings
    _shared: tuple[Held | None, dict[tuple[Any, ...], Ranker]] = (None, {})
    """What is held out of one order of ties, and members that were fitted there"""

    @property
    def words(self) -> Words:
        """Arms are systems."""
        network = self.settings.network
        arms = {
            ENSEMBLE: "the ensemble without a network",
            REAL: f"the ensemble and {network} on real data",
            FEATURES: f"the ensemble and {network} on real data with text as features",
            DIRECT: f"the ensemble and {network} on direct labels",
            FEATURES_MIXED: f"the ensemble and {network} on synthetic data with text as features",
            BOTH: "the ensemble and both networks on real data",
            ALL: "the ensemble, both networks on real data, and one on synthetic data",
        }
        return Words(arms=arms)

    def plan(self) -> Plan:
        """The systems; those with features only where the network takes text and the shop has some."""
        left_out = {SYNTHETIC: "no system learns from synthetic rows alone"}
        settings = RANKERS.make(self.settings.network, **self.settings.network_settings).settings()
        if settings.get("text") != "none":
            reason = f"the network {self.settings.network} has text in every arm, or takes none"
            left_out |= dict.fromkeys((FEATURES, FEATURES_MIXED, BOTH, ALL), reason)
        controls = tuple(arm for arm in (REAL, FEATURES, DIRECT) if arm not in left_out)
        beside = tuple(arm for arm in (ENSEMBLE, FEATURES_MIXED, BOTH, ALL) if arm not in left_out)
        return Plan(
            controls=controls,
            references=beside,
            left_out=left_out,
            weighed=(MIXED, DIRECT),
            further=((DIRECT, REAL), *(((ALL, BOTH),) if ALL not in left_out else ())),
        )

    def training(self, cell: Cell, train: Shop, pool: Callable[[], Pool], run: Run) -> Shop:
        """The real events with those that the arm's networks are taught."""
        taught = [name for name in NETWORKS[cell.arm] if name not in WITHOUT_POOL]
        if not taught:
            return train
        arm = MIXED if taught[0] in (MIXED, FEATURES_MIXED) else DIRECT
        return training_data(self.settings.generator, arm, train, pool, cell.ratio, run)

    def ranker(self, cell: Cell) -> Ranker:
        """The stack with the networks of the arm, of which those on real data do not see what is added."""
        of = self.settings
        base = RANKERS.make("stack", **of.ranker_settings)
        assert isinstance(base, Stack)
        networks = {f"{of.network} ({name})": self._network(name) for name in NETWORKS[cell.arm]}
        real = (f"{of.network} ({name})" for name in NETWORKS[cell.arm] if name in WITHOUT_POOL)
        settings = base.settings() | {
            "members": (*base.members, *networks),
            "member_settings": base.member_settings | networks,
            "real_alone": (*base.members, *real),
        }
        made: Ranker = RANKERS.make("stack", **settings)
        return made

    def evaluate(self, ranker: Ranker, task: Task, run: Run) -> Evaluation:
        """Rank the whole catalogue by the system, and by its last network alone: "ndcg@10, alone".

        A system without a network stands for itself there.
        """
        assert isinstance(ranker, Stack)
        found = super().evaluate(ranker, task, run)
        networks = [one for name, one in ranker.members_.items() if name.endswith(")")]
        alone = super().evaluate(networks[-1], task, run) if networks else found
        per_request = {
            f"{metric}{ALONE}/{part}": values
            for name, values in alone.per_request.items()
            for metric, _, part in [name.partition("/")]
        }
        overall = {f"{name}{ALONE}": value for name, value in alone.overall.items()}
        return replace(
            found,
            per_request=found.per_request | per_request,
            overall=found.overall | overall,
        )

    def steps_of(self, ranker: Ranker) -> int | None:
        """Those after which the network stopped that the arm is called by, its last; 0 of a system without one."""
        assert isinstance(ranker, Stack)
        networks = [one for name, one in ranker.members_.items() if name.endswith(")")]
        return networks[-1].steps if networks else 0

    def of_training(self, ranker: Ranker) -> dict[str, Any]:
        """What each member weighs: 0 says that the others know all it knows."""
        assert isinstance(ranker, Stack)
        return {"weights": {name: round(value, 4) for name, value in ranker.weights_.items()}}

    def better(self) -> dict[str, str]:
        """All of them rise."""
        names = [*self.settings.metrics, *(f"{name}{ALONE}" for name in self.settings.metrics)]
        return dict.fromkeys(names, "higher")

    def _network(self, name: str) -> dict[str, Any]:
        """Settings of the network that is taught on some data."""
        text = {"text": self.settings.features} if name in WITH_TEXT else {}
        return self.settings.network_settings | text

    def fit(self, cell: Cell, data: Shop, held: Held | None, run: Run) -> Ranker:
        """Fit the members that systems of one seed share once; the outcome is that of `Ranker.fit`."""
        stack = self.ranker(cell)
        assert isinstance(stack, Stack)
        if held is None:
            return stack.fit(data, run)
        if self._shared[0] is not held:
            # Each order of ties is a split of its own, with parts of its own.
            self._shared = held, {}
        kept = self._shared[1]
        of_seed = (cell.seed, cell.share, run.seed)
        for key in [key for key in kept if key[:3] != of_seed]:
            del kept[key]
        log = Log.of(data)
        stopping, _ = held.into(log.items).halves(run)
        members, refused = dict[str, Ranker](), dict[str, str]()
        for name in stack.members:
            real = name in stack.real_alone
            network = name.partition(" (")[0] == self.settings.network
            taught = (0.0, "") if real else (cell.ratio, cell.without)
            key = (*of_seed, name, *taught, run.updates if network else 0)
            if key not in kept:
                asked = {name: stack.member_settings.get(name, {})}
                real_alone = (name,) if real else ()
                fitted, why = fit_members(
                    asked, log, data, run, real_alone=real_alone, held=stopping, several=False
                )
                refused |= why
                if not fitted:
                    continue
                kept[key] = fitted[name]
                if network:
                    # The leading arm plans the updates that all others are told to take.
                    kept[(*key[:-1], fitted[name].updates)] = fitted[name]
            members[name] = kept[key]
        put = stack.of(members, log, held, run)
        put.left_out_ = refused
        return put
