"""The command line as a person and a script use it: the whole chain on a tiny export, help, exit codes, messages."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tiny_export import wareloom, write_export

from conftest import exposures
from search_shop import search_shop
from wareloom import cli
from wareloom._version import __version__
from wareloom.core.family import FAMILIES, RANKERS
from wareloom.shop import Log, Requests, Shop

COMMANDS = sorted(path.stem for path in cli.HERE.glob("*.py") if not path.stem.startswith("_"))


def told(*words: object) -> Any:
    """Call with --json and read what it printed; nothing but JSON goes to standard output."""
    said = wareloom(*words, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the chain was done, with what each step printed in `said.json`."""
    work = tmp_path_factory.mktemp("cli")
    write_export(work / "export")
    said = {
        "read": told("read", work / "export", "--to", work / "shop"),
        "check": told("check", work / "shop", "--to", work / "check.json"),
        "clean": told("clean", work / "shop", "--to", work / "clean", "--set", "robot_z=0"),
        "split": told("split", work / "clean", "--to", work / "parts", "--by", "leave-last-out"),
        "synth": told(
            "synth",
            "markov",
            work / "parts/train",
            "--to",
            work / "fake",
            "--users",
            90,
            "--seed",
            3,
        ),
        "screen": told(
            "screen",
            work / "fake",
            work / "parts/train",
            "--to",
            work / "good",
            "--screens",
            "schema, impossible",
        ),
        "mix": told(
            "mix", work / "parts/train", work / "good", "--to", work / "mixed", "--set", "ratio=0.5"
        ),
        "train": told(
            "train", "transitions", work / "mixed", "--to", work / "model", "--set", "window=2"
        ),
        "evaluate": told(
            "evaluate", work / "model", work / "parts", "--metrics", "ndcg@10,coverage@10"
        ),
        "rank": told(
            "rank",
            work / "model",
            "--shop",
            work / "parts/train",
            "--user",
            "u3",
            "--user",
            "u1",
            "-k",
            4,
        ),
        "features": told("features", work / "clean", "--to", work / "features"),
        "segment": told(
            "segment", work / "parts/train", "--event", "purchase", "--to", work / "segment"
        ),
    }
    (work / "said.json").write_text(json.dumps(said))
    return work


@pytest.fixture(scope="module")
def said(work: Path) -> Any:
    return json.loads((work / "said.json").read_text())


def test_the_chain_leaves_what_it_says(work: Path, said: Any) -> None:
    shop, mixed = Shop.open(work / "clean"), Shop.open(work / "mixed")
    assert said["read"]["shop"] == str(work / "shop")
    assert said["check"]["events"]["interactions"] == Shop.open(work / "shop").rows("events")
    assert json.loads((work / "check.json").read_text()) == said["check"]
    parts = {
        part: Shop.open(work / "parts" / part).rows("events")
        for part in ("train", "validation", "test")
    }
    assert said["split"]["rows"]["events"] == parts
    assert sum(parts.values()) == shop.rows("events")
    assert said["synth"]["rows"]["users"] == 90
    assert said["synth"]["fingerprint"] == Shop.open(work / "fake").fingerprint
    assert said["screen"]["schema"]["rejected"] == 0
    origins = dict(mixed.table("events")["origin"].value_counts().iter_rows())
    assert said["mix"]["events"] == origins
    assert origins["real"] == parts["train"]
    assert origins[f"markov@{__version__}"] <= round(0.5 * parts["train"])
    assert said["train"]["settings"]["window"] == 2
    assert said["evaluate"]["requests"] == 60
    by_name = {(row["metric"], row["slice"]): row for row in said["evaluate"]["metrics"]}
    assert 0 < by_name["ndcg@10", "all"]["low"] < by_name["ndcg@10", "all"]["mean"] <= 1
    assert 0 < by_name["coverage@10", "all"]["mean"] <= 1
    assert {"events", "items", "users"} & {name.partition(".")[0] for name in said["features"]}


def test_a_segment_is_a_shop_whose_likes_can_be_drawn(work: Path, said: Any) -> None:
    segment = Shop.open(work / "segment")
    assert said["segment"]["fingerprint"] == segment.fingerprint
    assert said["segment"]["users"] == segment.table("events")["user_id"].n_unique()
    drawn = told(
        "synth", "markov", work / "parts/train", "--like", work / "segment", "--to", work / "like"
    )
    assert Shop.open(work / "like").fingerprint == drawn["fingerprint"]


def test_a_ranking_is_for_the_users_asked_and_without_what_they_had(work: Path, said: Any) -> None:
    rows = said["rank"]["ranking"]
    assert [(row["user_id"], row["rank"]) for row in rows] == [
        (u, r) for u in ("u3", "u1") for r in (1, 2, 3, 4)
    ]
    had = (
        Shop.open(work / "parts/train")
        .table("events")
        .filter(pl.col("user_id").is_in(["u1", "u3"]))
    )
    assert not {(row["user_id"], row["item_id"]) for row in rows} & set(
        had.select("user_id", "item_id").iter_rows()
    )
    whole = told(
        "rank",
        work / "model",
        "--shop",
        work / "parts/train",
        "--repeats",
        "-k",
        99,
        "--to",
        work / "r.parquet",
    )
    assert len(whole["ranking"]) == 60 * 30
    assert pl.read_parquet(work / "r.parquet").to_dicts() == whole["ranking"]


def test_the_same_seed_writes_the_same_shop(work: Path, said: Any) -> None:
    for seed, same in ((3, True), (4, False)):
        again = told(
            "synth",
            "markov",
            work / "parts/train",
            "--to",
            work / "again",
            "--users",
            90,
            "--seed",
            seed,
            "--force",
        )
        assert (again["fingerprint"] == said["synth"]["fingerprint"]) is same


def test_a_dry_run_fits_and_writes_nothing(work: Path) -> None:
    said = told("synth", "markov", work / "parts/train", "--to", work / "dry", "--dry-run")
    assert said["calls"] == 0
    assert not (work / "dry").exists()


def test_synth_takes_conditions(work: Path) -> None:
    told(
        "synth",
        "markov",
        work / "parts/train",
        "--to",
        work / "one",
        "--users",
        5,
        "--start",
        "i3",
        "--length",
        4,
    )
    log = Log.of(Shop.open(work / "one"))
    assert set(log.lengths()) == {4}
    assert {log.items.ids[int(i)] for i in log.item[log.offsets[:-1]]} == {"i3"}
    told(
        "synth",
        "markov",
        work / "parts/train",
        "--to",
        work / "on",
        "--continue",
        work / "parts/train",
    )
    assert set(Log.of(Shop.open(work / "on")).users.ids) == {f"u{n}" for n in range(60)}


def test_prove_writes_a_proof_and_its_page(work: Path) -> None:
    words = (
        "prove",
        work / "clean",
        "--to",
        work / "proof",
        "--split",
        "leave-last-out",
        "--seeds",
        2,
        "--ratios",
        "0.5",
    )
    words = (
        *words,
        "--metrics",
        "ndcg@10,recall@10",
        "--ties",
        "file",
        "--set",
        "ranker.window=2",
        "--set",
        "window=1",
    )
    said = wareloom(*words, "--json")
    proof = json.loads(said.out)
    assert said.code == (1 if proof["verdict"] == "hurts" else 0)
    assert json.loads((work / "proof" / "proof.json").read_text()) == proof
    assert proof["settings"]["ranker_settings"] == {"window": 2}
    assert proof["settings"]["generator"]["settings"] == {"window": 1}
    assert proof["sentence"] in (work / "proof" / "report.html").read_text()
    taken = wareloom(*words)
    assert taken.code == 2
    assert "holds a result already: choose another folder for --to, or pass --force" in taken.err
    assert json.loads(wareloom(*words, "--resume", "--json").out) == proof


def test_people_get_words_and_scripts_get_json(work: Path) -> None:
    said = wareloom("evaluate", work / "model", work / "parts", "--metrics", "ndcg@10")
    assert said.out.startswith("60 requests of the test part\n")
    assert "metric" in said.out
    assert said.out.splitlines()[2].split()[0] == "ndcg@10"


def test_quiet_is_quiet(work: Path) -> None:
    loud = wareloom("train", "popularity", work / "mixed", "--to", work / "loud")
    quiet = wareloom("train", "popularity", work / "mixed", "--to", work / "quiet", "--quiet")
    assert loud.err.startswith("popularity: fit: ")
    assert quiet.err == quiet.out == ""
    assert loud.out
    assert quiet.code == loud.code == 0


def test_a_leak_is_exit_code_one(tmp_path: Path) -> None:
    """Real rows passed off as synthetic, beside the very users they are of."""
    rows = [
        (f"u{u}", f"i{(u * 37 + k * (u % 11 + 1)) % 97}", f"2024-01-{k + 1:02} 10:00:00")
        for u in range(200)
        for k in range(8)
    ]
    (tmp_path / "export").mkdir()
    pl.DataFrame(rows, schema=["user_id", "item_id", "time"], orient="row").write_csv(
        tmp_path / "export" / "events.csv"
    )
    pl.DataFrame({"item_id": [f"i{i}" for i in range(97)], "title": "x"}).write_csv(
        tmp_path / "export" / "items.csv"
    )
    told("read", tmp_path / "export", "--to", tmp_path / "shop")
    told("split", tmp_path / "shop", "--to", tmp_path / "parts", "--by", "user")
    test = Shop.open(tmp_path / "parts" / "test")
    test.with_tables(events=test.scan("events").with_columns(origin=pl.lit("cheat@1"))).save(
        tmp_path / "fake"
    )
    said = wareloom(
        "screen", tmp_path / "fake", tmp_path / "parts/train", "--to", tmp_path / "good",
        "--holdout", tmp_path / "parts/test", "--screens", "leak",
    )  # fmt: skip
    assert said.code == 1, said
    assert said.err.startswith("error: The synthetic data holds ")
    assert "the synthesizer has seen the held-out part" in said.err
    assert not (tmp_path / "good").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "check {}/nowhere",
            "There is no shop at {}/nowhere: no such folder. `wareloom read SOURCE --to",
        ),
        ("check {}/export", "{}/export is not a shop: it has no shop.json"),
        ("read {}/no-such-export --to {}/x", "no-such-export"),
        (
            "read {}/export --to {}/x --as tabels",
            "No reader is called 'tabels'. Did you mean 'tables'",
        ),
        (
            "read {}/export --to {}/x --set evnt=purchase",
            "has no setting 'evnt'. Did you mean 'event'",
        ),
        ("clean {}/shop --to {}/x --set robot=3", "has no setting 'robot'. Did you mean 'robot_z'"),
        ("clean {}/shop --to {}/x --set robot_z", "--set takes NAME=VALUE, not 'robot_z'"),
        ("split {}/shop --to {}/x --by month", "by is 'month'; give 'time'"),
        (
            "synth markof {}/shop --to {}/x",
            "No synthesizer is called 'markof'. Did you mean 'markov'",
        ),
        ("synth markov {}/shop --to {}/x --set decay=fast", "decay='fast' does not fit"),
        (
            "synth markov {}/shop --to {}/x --start i99",
            "The start item 'i99' is not in the fitted shop's catalogue",
        ),
        (
            "screen {}/fake {}/shop --to {}/x --screens leek",
            "No screen is called 'leek'. Did you mean 'leak'",
        ),
        (
            "mix {}/shop {}/fake --to {}/x --mixer ration",
            "No mixer is called 'ration'. Did you mean 'ratio'",
        ),
        (
            "train transition {}/shop --to {}/x",
            "No ranker is called 'transition'. Did you mean 'transitions'",
        ),
        (
            "train transitions {}/shop --to {}/x --set windw=2",
            "has no setting 'windw'. Did you mean 'window'",
        ),
        ("train transitions {}/shop --to {}/x --set window=0", "window"),
        (
            "train popularity {}/shop --to {}/export",
            "{}/export exists and is not one of Wareloom's folders",
        ),
        (
            "evaluate {}/model {}/parts --metrics ndgc@10",
            "No metric is called 'ndgc'. Did you mean 'ndcg'",
        ),
        ("evaluate {}/shop {}/parts", "algorithm.json is not there"),
        ("evaluate {}/moddel {}/parts", "There is no saved ranker at {}/moddel: no such folder"),
        (
            "check {}/parts",
            "{}/parts is a split and no shop: name one of its parts, such as {}/parts/train",
        ),
        ("show {}/prof", "{}/prof is not there: give the folder of a proof or of a job"),
        ("show {}/shop", "{}/shop holds no proof: give the folder of a proof or of a job"),
        ("rank {}/model --shop {}/shop --user u999", "No user is called 'u999'"),
        ("prove {}/shop --to {}/x --with markof", "No synthesizer is called 'markof'"),
        (
            "prove {}/shop --to {}/x --ratios half",
            "--ratios takes numbers with commas, such as 0.5,1, not 'half'",
        ),
        ("list rankers", "No family is called 'rankers'. Did you mean 'ranker'"),
        ("show eas", "No algorithm is called 'eas', and no folder of a proof. Did you mean 'ease'"),
        ("mix {}/shop {}/shop --to {}/x", "rows of the synthetic shop say that they are real"),
    ],
)
def test_what_is_wrong_is_said_with_its_remedy(words: str, message: str, work: Path) -> None:
    said = wareloom(*words.replace("{}", str(work)).split())
    assert said.code == 2
    assert said.err.splitlines()[-1].startswith("error: ")
    assert message.replace("{}", str(work)) in said.err
    assert said.out == ""
    assert not (work / "x").exists()


@pytest.mark.parametrize(
    "words", ["", "trian", "train", "train transitions", "train --no-such", "rank m -k ten"]
)
def test_a_wrong_call_is_exit_code_two(words: str) -> None:
    said = wareloom(*words.split())
    assert said.code == 2
    assert "usage" in (said.out + said.err).lower()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_json(command: str) -> None:
    said = wareloom(command, "--help")
    assert said.code == 0
    if command != "serve":  # what it says, it answers over HTTP
        assert "--json" in said.out
    module = __import__(f"wareloom.cli.{command}", fromlist=["main"])
    first = module.main.__doc__.partition("\n")[0]
    assert " ".join(first.split())[:40] in " ".join(said.out.split())


def test_help_lists_every_command_and_the_exit_codes() -> None:
    said = wareloom("--help")
    assert said.code == 0
    assert [c for c in COMMANDS if f"\n  {c} " not in said.out] == []
    assert "0 done, 1 the answer is no, 2 the input or the call was wrong" in " ".join(
        said.out.split()
    )
    assert wareloom("--version").out == f"wareloom {__version__}\n"


def test_list_and_show_know_every_algorithm() -> None:
    found = told("list")
    assert {kind: sorted(names) for kind, names in found.items()} == {
        k: f.names() for k, f in FAMILIES.items()
    }
    assert told("list", "mixer") == {"mixer": found["mixer"]}
    shown = told("show", "markov")
    assert shown["settings"]["window"]["default"] == "2"
    assert shown["schema"]["properties"]["window"]["default"] == 2
    assert re.search(r"window: int.* = 2\n", wareloom("show", "markov").out)


def test_doctor_finds_this_installation_well() -> None:
    found = told("doctor")
    assert found["wareloom"] == __version__
    assert found["machine"]["cores"] >= 1
    assert None not in found["packages"].values()


def test_clicks_are_trained_evaluated_and_proved(tmp_path: Path) -> None:
    exposures(2500)[0].save(tmp_path / "shop")
    told("split", tmp_path / "shop", "--to", tmp_path / "parts", "--by", "time")
    told("train", "logistic", tmp_path / "parts/train", "--to", tmp_path / "model", "--threads", 1)
    found = told("evaluate", tmp_path / "model", tmp_path / "parts")
    rows = {row["metric"]: row for row in found["metrics"] if row["slice"] == "all"}
    assert (found["of"], found["requests"]) == (
        "clicks",
        Shop.open(tmp_path / "parts/test").table("events")["event"].eq("view_item_list").sum(),
    )
    assert 0 < rows["log_loss"]["low"] < rows["log_loss"]["mean"] < rows["log_loss"]["high"] < 1
    assert rows["click_auc"]["low"] is None
    wrong = wareloom("evaluate", tmp_path / "model", tmp_path / "parts", "--metrics", "ndcg@10")
    assert (wrong.code, "judges rankings, not clicks" in wrong.err) == (2, True)
    words = (
        "prove",
        tmp_path / "shop",
        "--to",
        tmp_path / "proof",
        "--of",
        "clicks",
        "--ratios",
        "1",
        "--seeds",
        2,
    )
    said = wareloom(*words, "--with", "exposures", "--ranker", "logistic", "--threads", 1, "--json")
    proof = json.loads(said.out)
    assert said.code == (1 if proof["verdict"] == "hurts" else 0)
    assert (proof["kind"], proof["decisive"]["metric"]) == ("clicks", "log_loss")
    assert proof["sentence"] in (tmp_path / "proof" / "report.html").read_text()
    refused = wareloom(*words, "--ties", "file", "--resume")
    assert (refused.code, "A proof of clicks has no setting 'ties'" in refused.err) == (2, True)


def _is_asked(work: Path) -> None:
    """A ranker of search answers queries of the command line as it does in Python, and says so where none came."""
    shop = Shop.open(work / "shop")
    queries = shop.table("judgments")["query"].unique().sort().to_list()[:2]
    rows = told(
        "rank",
        work / "model",
        "--shop",
        work / "shop",
        "--query",
        queries[0],
        "--query",
        queries[1],
        "-k",
        3,
    )["ranking"]
    asked = replace(Requests.sessions([[], []]), queries=queries)
    wanted = RANKERS.restore(work / "model").rank(asked, 3)
    assert [(row["query"], row["item_id"]) for row in rows] == [
        (queries[request], item)
        for request, item in wanted.select("request", "item_id").iter_rows()
    ]
    titles = dict(shop.table("items").select("item_id", "title").iter_rows())
    assert all(row["title"] == titles[row["item_id"]] for row in rows)
    refused = wareloom("rank", work / "model", "--shop", work / "shop")
    assert (refused.code, "for example --query 'red shoes'" in refused.err) == (2, True)
    again = wareloom("split", work / "shop", "--to", work / "again")
    assert "by query" in again.out
    assert f"wareloom train bm25 {work}/again/train" in again.out.replace("\n", " ")


def test_search_is_trained_evaluated_and_proved(tmp_path: Path) -> None:
    search_shop(120).save(tmp_path / "shop")
    told("split", tmp_path / "shop", "--to", tmp_path / "parts", "--by", "query")
    told(
        "train",
        "bm25",
        tmp_path / "parts/train",
        "--to",
        tmp_path / "model",
        "--cache",
        tmp_path / "cache",
    )
    found = told("evaluate", tmp_path / "model", tmp_path / "parts", "--metrics", "ndcg@5")
    assert found["of"] == "search"
    assert 0 < found["metrics"][0]["low"] <= found["metrics"][0]["mean"] <= 1
    _is_asked(tmp_path)
    words = (
        "prove",
        tmp_path / "shop",
        "--to",
        tmp_path / "proof",
        "--of",
        "search",
        "--seeds",
        2,
        "--ratios",
        "1",
    )
    words = (*words, "--set", "ranker.trees=10", "--set", "ranker.min_rows=5")
    said = wareloom(*words, "--with", "search_shop:TitleQueries", "--json")
    proof = json.loads(said.out)
    assert said.code == (1 if proof["verdict"] == "hurts" else 0)
    assert (proof["kind"], proof["decisive"]["metric"]) == ("search", "ndcg@10")
    assert proof["story"]["finding"] in wareloom("show", tmp_path / "proof").out
    for more, message in (
        ((), "A proof of search needs one synthesizer whose samples have the table judgments"),
        (("--with", "markov"), "The shop has no table 'events'"),
        (("--of", "serch"), "No proof is of 'serch'. Did you mean 'search'"),
    ):
        refused = wareloom(*words, *more, "--force")
        assert refused.code == 2
        assert message in refused.err
