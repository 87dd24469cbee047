"""Run every benchmark with its defaults, one after the other, and write docs/benchmarks.md from what they found.

The front has the claims and a list; each benchmark has a page of its own below docs/benchmarks/.

    python benchmarks/run.py [--only NAME ...] [--large] [--table] [--note TEXT]

Each is a process of its own that leaves benchmarks/results/NAME.json. `--table` runs none and writes the pages from
the files that are there. `--large` adds a hundred million events: about ten minutes and 30 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import _claims
import _tables
import _tables_advise
import _tables_behaviour
import _tables_dialogues
import _tables_pictures
import _tables_privacy
import _tables_search
import _tables_serving
import _tables_texts
from _tables import Figures

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
PAGE = HERE.parent / "docs" / "benchmarks.md"
PAGES = PAGE.with_suffix("")
INTRODUCTION = (
    "`make bench` runs all of these one after the other and writes these pages from `benchmarks/results/*.json`; "
    "`python benchmarks/run.py --only NAME` runs one, `--large` adds the hundred million events. Each is one "
    "command, and measures the peer or the limit in the same run where there is one."
)


@dataclass(frozen=True)
class Benchmark:
    """One benchmark: how it is called and how the page shows it."""

    title: str
    call: tuple[str, ...]
    read: str
    """How to read the table, and the bar"""
    table: Callable[[Figures], Iterable[str]]
    large: bool = False


BENCHMARKS = {
    "start": Benchmark(
        "Until the command line answers",
        ("start.py",),
        "Whole processes, beside a bare interpreter. Bars: importing 0.1 s beyond the latter, the help 0.3 s.",
        _tables.start,
    ),
    "shop_scale": Benchmark(
        "Reading, cleaning and splitting real purchases",
        ("shop_scale.py",),
        "The 1.47 million purchases of the data set Complete Journey, through `wareloom.readers`; every job is a "
        "process of its own, whose peak resident memory is given. Bar: read, clean and split (by time) together "
        "below 10 s, each below 1 GiB.",
        _tables.scale,
    ),
    "shop_scale_large": Benchmark(
        "A hundred million events",
        ("shop_scale.py", "--events", "100000000"),
        "The same jobs on a generated log in Parquet. Bar: read, clean and split each below 4 GiB; none for time.",
        _tables.scale,
        large=True,
    ),
    "markov": Benchmark(
        "The synthesizer `markov` beside the memory's limit",
        ("markov.py",),
        "A walk is a chain of dependent random reads, at least three an event: the row of the last item, the "
        "acceptance of the place drawn, the item there. The limit is therefore random reads a second ÷ 3, where "
        "each read says where the next one is, in a table as large as the transition tables and on as many "
        "threads; what comes after the kernel, up to `sample`, is the making of tables. *Scattered* is the limit "
        "if reads did not wait for one another, *by bytes written* that of a stream copy at 13 bytes an event. No "
        "bar is set; the ratio is the figure.",
        _tables.markov,
    ),
    "compare": Benchmark(
        "Comparing synthetic with real behaviour: a million events",
        ("compare.py",),
        "A generated real shop, as many held-out users and as many synthetic ones, a million events each; every "
        "measure but the network that reads sequences, with floors, intervals and the page; medians of processes of "
        "their own. "
        "Bar: below 60 s and 2 GiB on two cores.",
        _tables.compare,
    ),
    "gate": Benchmark(
        "The gate's calibration: noise",
        ("gate.py",),
        "Each run puts `shuffled`, which is noise, to the proof on a small shop generated anew. Bar: not one "
        "verdict says “helps”. The lines below each verdict show its three comparisons; “against real alone” is what "
        "would be said without the other controls. Where most runs say “hurts”, the bar is an easy one and shows "
        "little of what the controls add: [the A/A test](gate-aa.md) is the sharper one.",
        _tables.gate,
    ),
    "gate_aa": Benchmark(
        "The gate's calibration: A/A",
        ("gate.py", "--of", "aa"),
        "Here the synthetic data is a second draw of the naive control, so that the comparison “against naive” is "
        "of a thing with itself. Bar: “helps” and “hurts” each in 2.5 % of its runs or less, but for chance "
        "(missed where the 95 % interval lies above), and at most 5 of 100 verdicts. Other lines are no A/A "
        "comparisons.",
        _tables.gate,
    ),
    "gate_planted": Benchmark(
        "The gate's calibration: an effect that is there",
        ("gate.py", "--of", "planted"),
        "A share of the synthetic users walks as the real ones do, the others are naive. Only what is asked for and "
        "all that is random in the training are drawn anew, so that the true effect is the same in every run; *power* "
        "is the mean of the chances, computed in each run, that such an effect is found. Bar: the share of “helps”, "
        "but for chance, within .1 of it.",
        _tables.gate_planted,
    ),
    "gate_sasrec": Benchmark(
        "The gate's calibration: a ranker that is trained by gradients",
        ("gate.py", "--of", "noise", "aa", "planted", "--ranker", "sasrec"),
        "[Noise](gate.md), [A/A](gate-aa.md) and [a planted effect](gate-planted.md) with a small SASRec (one block, "
        "embeddings of 16, 20 updates) on a shop of 100 users and "
        "40 items, where a seed's luck with each request is most of what differs between trainings. All of the planted "
        "synthetic users walk as the real ones do. The bars are those of the three pages; *power* is the mean "
        "of the chances, "
        "computed in each run, that the effect is found.",
        _tables.gate_kinds,
    ),
    "gate_seeds": Benchmark(
        "The gate's calibration: where seeds dominate",
        ("gate.py", "--of", "seeds"),
        "Nothing is trained: what each of 200 users and each seed is worth with an arm is drawn, and the whole gate "
        "judges it. *A/A*: no arm is better. *An effect*: “real + synthetic” is, by what is found with the power .8. "
        "Bars: against naive “helps” and “hurts” each in 2.5 % of the A/A runs or less, but for chance; the share of "
        "“helps” of an effect, but for chance, within .1 of the power.",
        _tables.gate_kinds,
    ),
    "serve": Benchmark(
        "What serving costs",
        ("serve.py", "--long"),
        "Amazon Beauty, 12,101 items. Processor time, as the machine is shared. *One request*: the published form "
        "beside `Ranker._score` and `top_k` called bare, with a history that is in codes already. *POST*: "
        "processor time of the server for a request over 16 connections, beside a FastAPI route with models of "
        "the same fields that answers ten hits from memory; the ratio is of rates. *Log*: 64 clients, beside bare "
        "group commits of the same bytes; the ratio is of processor time. *PSS*: of all processes, with two that "
        "answer beside one. An event and the answer after it go over two connections to two processes.",
        _tables_serving.serving,
    ),
    "serve_load": Benchmark(
        "Serving under load",
        ("serve_load.py", "--long"),
        "Amazon Beauty, one process, loopback, who asks on the same core. *Constant rate*: latency is counted from the "
        "moment a request was planned for; beside it, in turns, the same rate to a bare FastAPI route. *Thrice the "
        "capacity*: answers a processor second of the server, beside those of eight connections that ask without a "
        "pause; what is sent away gets 429 with `retry-after`. *A search*: processor time beside the sum of its parts "
        "called bare.",
        _tables_serving.loaded,
    ),
    "realtime": Benchmark(
        "Real-time synthesis",
        ("realtime.py",),
        "A generator writes sessions of one to three events on eight times, and the ranker's answers are averaged. "
        "NDCG@10 of the next event on an item that the session has not had, on the test part by time; differences with "
        "95 % intervals of a paired bootstrap over sessions. *Generator alone*: its next-item probabilities as a "
        "ranker. *History repeated*: the same ranker. *Blind draws*: continuations by popularity. All settings were "
        "chosen on validation sessions. Bar for being on by default: above all, at 95 % over all pairs together.",
        _tables_serving.realtime,
    ),
    "serve_replicas": Benchmark(
        "Two replicas behind nginx",
        ("serve_replicas.py", "--long"),
        "Amazon Beauty; two servers with one Redis, one PostgreSQL and one bucket behind the nginx of `docs/deploy`, "
        "all on one machine; the bucket is moto's server, so that its times say nothing of S3. An event goes "
        "through the proxy, then an answer that must have seen it, on whichever replica. *Lost*: acknowledged, and "
        "not in PostgreSQL or not in the tables; *doubled*: twice in the tables. *Sent again*: what had no answer, "
        "under the same id.",
        _tables_serving.replicas,
    ),
    "serve_vectors": Benchmark(
        "What vectors cost that are served",
        ("serve_vectors.py",),
        "Titles of Amazon Beauty read by all-MiniLM-L6-v2 (384 numbers); a million are drawn round them. Processor "
        "time of one query of 48, two to four words of titles, as the machine is shared. *Exact*: reads eight bits "
        "first, beside the bare product and top ten of numpy. *Graph*: with its best scored again, beside the graph "
        "of usearch called bare. *Filtered afterwards*: the control, forty of the bare graph, then the filter. *PSS*: "
        "of all processes of `wareloom serve`, two that answer beside one.",
        _tables_serving.vectors,
    ),
    "compress": Benchmark(
        "Smaller encoders of queries",
        ("compress.py",),
        "Home Depot, split by query: nDCG@10 over 5,000 products (all that were judged, and others drawn) on queries "
        "of the validation part, of which nothing was learned; paired 95 % intervals over queries. all-MiniLM-L6-v2 "
        "by ONNX Runtime on one thread, one query at a time; students read parts of titles. *May serve*: at most 1 % "
        "of nDCG@10 is lost. The items keep the vectors of the whole encoder. *magnitude* is a control.",
        _tables_serving.compressed,
    ),
    "rankers": Benchmark(
        "Rankers on Amazon Beauty",
        ("rankers.py",),
        "Leave-last-out on the 5-core data, whole catalogue, events of one time in file order as published tables "
        "have it, ± half a 95 % interval over users; `implicit` alone stands below. Bars: NDCG@10 of "
        "`transitions` at least .048, of recency-weighted EASE at least .042.",
        _tables.rankers,
    ),
    "speed": Benchmark(
        "Speed and memory beside what is possible",
        ("speed.py",),
        "Amazon Beauty; ours and the peer or limit by turns in one process, medians. Bars: `als` fits in 1.05 times "
        "the seconds of `implicit` alone, `ease` (as the paper has it) in 1.2 times the plain dense solve, and ranking "
        "by given vectors of 64, seen items masked, ten places, in 1.5 times the bare product of matrices in its best "
        "blocks; without a bar the same where users' vectors are first solved from their histories, and the evaluation "
        "with fifty places. The second table: logs of Beauty's size and ten "
        "times as many users and items, generated, each job in a process of its own; `sasrec` takes 100 updates and "
        "ranks 2,000 requests.",
        _tables.speed,
    ),
    "leaderboards": Benchmark(
        "Rankers side by side, by recipe",
        ("leaderboards.py",),
        "One recipe a data set, on real data alone, the whole catalogue ranked; the interval joins requests and seeds, "
        "and what a ranker lacks to the best is paired over requests. Settings were chosen on the validation part. "
        "Bars on Beauty, leave-last-out, file order (Recall@10 / NDCG@10): `sasrec` .085 / .050, the best of ours .100 "
        "/ .061.",
        _tables.leaderboards,
    ),
    "clicks": Benchmark(
        "Click models on Open Bandit",
        ("clicks.py",),
        "Six logs of 10,000 impressions with 287 clicks in all, learnt from the earlier 70 % and judged on the rest; "
        "intervals over impressions, stratified by log.",
        _tables.clicks,
    ),
    "sasrec": Benchmark(
        "SASRec to the same value as RecTools and RecBole",
        ("sasrec.py",),
        "Amazon Beauty, the same events, 64 wide, two layers, one head, a thread each. The peers have sampled losses, "
        "with 128 negatives where there is a choice, batches and rates as their manuals have them; Wareloom has its "
        "defaults. Processor seconds of training to a value of NDCG@10 on held-back events of the training part. They "
        "read fifty events of a history, or twenty where a row says so, which suits libraries that pad all to one "
        "length. Each peer ends with a whole pass, after some two to five minutes; where it came no higher it might, "
        "later. Bar: at most half of the peers' seconds to a value that they come to.",
        _tables.sasrec,
    ),
    "mixers": Benchmark(
        "Mixers beside plain concatenation",
        ("mixers.py", "--share", "0.2", "--updates", "1200", "--other-seeds", "1"),
        "Amazon Beauty, leave-last-out, file order, a fifth of the training users; SASRec with equal numbers of "
        "updates on each mix. `ratio` is plain concatenation. Intervals join users and seeds; with one seed its "
        "chance is not seen. So few updates leave real data alone short of what it can give (NDCG@10 .0231 after 5,000 "
        "updates, one seed), so that the lifts over it flatter; mixers are compared with one another.",
        _tables.mixers,
    ),
    "behaviour_useful": Benchmark(
        "Does synthesised knowledge lift a strong ranker?",
        ("behaviour_useful.py",),
        "SASRec on Amazon Beauty by global time, with shoppers and soft labels of `teacher`, who knows the products' "
        "texts, beside every control and the same ensemble's labels on real events (direct labels). Every arm takes as "
        "many updates as the real one. The file was filtered to items with five events over all time, so an item "
        "without one yet is a sure bestseller: warm answers are what counts, and `newcomers` shows what cold ones are "
        "worth without any knowledge. Bar: 30 % over the strongest control on warm answers. The recipe's weights were "
        "once settled on with the test part in sight. Leave-last-out is proved by `best_system`.",
        _tables_behaviour.behaviour_useful,
    ),
    "best_system": Benchmark(
        "Does synthetic data lift the best system?",
        ("best_system.py",),
        "A stack of six rankers on Amazon Beauty (leave-last-out, ties in random order) and a SASRec beside, taught on "
        "real data, with the texts as features, on direct labels of the generator's own ensemble, or on its shoppers. "
        "All networks plan equal updates; the validation part stops them and gives the weights. *Alone* is the last "
        "network of a system without the ensemble. Bars: NDCG@10 of the best system .076, of one network alone .0655, "
        "synthetic data 3 % over the best system without.",
        _tables_behaviour.best_system,
    ),
    "other_shop": Benchmark(
        "Learning from another shop",
        ("other_shop.py",),
        "Amazon Beauty as two shops with other users each, which know each other's products by their texts alone. The "
        "ensemble of `teacher` as a ranker, with this shop's users alone and with the other shop's log beside; without "
        "users of its own what stands beside is `text_knn`. Leave-last-out, whole catalogue; intervals join users and "
        "seeds.",
        _tables_behaviour.other_shop,
    ),
    "transfer": Benchmark(
        "What of another shop travels as a sample",
        ("transfer.py",),
        "A log's users dealt to two shops of one catalogue; this one has a share of its own training users. `stack` "
        "(Beauty: transitions, item_knn, text_knn, attributes; YooChoose: transitions, session_knn) with weights "
        "learned on its own last events, with what a generator fitted on the other log drew (8 events for each of "
        "its), and with that log itself, the limit. Controls weigh as much: items drawn by their popularity in the "
        "other log, a walk to what reads alike. Leave-last-out, whole catalogue, the ratio chosen on validation; "
        "intervals over users and, where there are several, seeds. Bar: 70 % of the limit.",
        _tables_behaviour.transfer,
    ),
    "search_useful": Benchmark(
        "Do synthetic queries make search better that nobody labelled?",
        ("search_useful.py",),
        "The proofs of recipes on Home Depot, whose human judgments none of the arms has seen, or those of 200 "
        "queries. Gain 2^g - 1 with grades 0 to 3; what nobody judged is worth nothing; all test queries count. Naive: "
        "the same ranker taught, for as many updates, on runs of words cut out of titles. Bars: the encoder taught on "
        "synthetic queries 15 % above itself untaught over the whole catalogue; the two stages .40 over the whole "
        "catalogue and .91 on judged items. Each says when it was taken: on 2026-11-30 BM25 had sizes and pairs and no "
        "delta; before, all was taught the whole way (`strength = 1`, trees at their whole weight), BM25's k1 and b "
        "were this shop's, items of naive lists were drawn at random, and no ranker asked runs of characters. A "
        "cross-encoder behind the two stages has a page of its own.",
        _tables_search.search_useful,
    ),
    "search_words": Benchmark(
        "What of words finds products?",
        ("search_words.py",),
        "Home Depot, no label and nothing taught: BM25 with and without its parts, and the plain fusions, which are "
        "corrected for spelling. Sizes: a bare number, a dimension or a part of a model number finds them; pairs: "
        "two words side by side as a term; delta: what it counts that a word is there, however long the title. All was "
        "chosen on validation queries. Differences are paired by query, with 95 % intervals. Shops: kinds of products "
        "of Home Depot and lengths of queries, of every part. Bar: no loss beyond chance.",
        _tables_search.search_words,
    ),
    "search_reader": Benchmark(
        "How many of the best should a cross-encoder read?",
        ("search_reader.py",),
        "Home Depot, no query labelled: the two stages of the recipe taught once on each synthesizer's queries, the "
        "best of each test query read by the cross-encoder, too. Control by the same loss: runs of words cut out of "
        "titles (spans). Differences are paired by query, with 95 % intervals. Bar: .44 over the whole catalogue.",
        _tables_search.search_reader,
    ),
    "search_ablation": Benchmark(
        "What of synthetic queries teaches an encoder?",
        ("search_ablation.py",),
        "Home Depot, split by query: the encoder alone, taught by equally many updates on each row's judgments, none "
        "by people but in the last row, the limit; the control is runs of words of titles. Differences to `attributes` "
        "are paired by query, with 95 % intervals over queries; a seed moves figures by some .002.",
        _tables_search.search_ablation,
    ),
    "search_safe": Benchmark(
        "Does what search does without a label do harm?",
        ("search_safe.py",),
        "Home Depot as shops unlike each other, by kind of product and by length of the queries, none with a label, of "
        "queries of every part, so that nothing of Home Depot as a whole is chosen here. What is taught is taught once "
        "a shop on queries of `attributes`, and taken at shares of its way; some shops were compared untaught alone "
        "(`--updates 0`). Bar: what is on by default loses nowhere beyond chance: runs of characters beside "
        "the fusion without them, the safe share (0.3) beside the encoder untaught and the best plain one.",
        _tables_search.search_safe,
    ),
    "search_labels": Benchmark(
        "How far synthetic labels agree with people's",
        ("search_labels.py",),
        "Home Depot, split by query: labels of held-out queries by rules, by the distilled model given some labelled "
        "queries, and by the embedded language model on a few queries, beside the rules on the same ones. Intervals "
        "join queries and seeds.",
        _tables_search.search_labels,
    ),
    "search_speed": Benchmark(
        "How fast search and the language layer are",
        ("search_speed.py",),
        "MiniLM on titles of Home Depot, beside sentence-transformers; BM25 over all 54,667 of them and the ten best "
        "for 1,000 queries, beside bm25s, which is installed for it; vectors of 384 beside the bare product; the "
        "embedded model at batch 16 beside `generate`; 64 calls at once to a server that takes 0.3 to 0.7 s for each. "
        "Bar: the client adds less than 5 % to the server's own time.",
        _tables_search.search_speed,
    ),
    "query_fidelity": Benchmark(
        "Can synthetic queries be told from real ones?",
        ("query_fidelity.py",),
        "Home Depot, half of the real queries held out, with and without the other half given; Chinese titles of "
        "Taobao beside queries of another shop. Distances, so that less is better; areas of .5 cannot tell. The floor "
        "is the same figure between two real samples. `edits` changes given queries, so that near-copies are its way.",
        _tables_search.query_fidelity,
    ),
    "query_fidelity_models": Benchmark(
        "Can a small language model's queries be told from real ones?",
        (
            "query_fidelity.py",
            "--data",
            "homedepot_search",
            "--synthesizers",
            "attributes",
            "prompted",
            "tuned",
            "--given",
            "1500",
            "--queries",
            "600",
            "--seeds",
            "1",
        ),
        "[The page before](query-fidelity.md) with SmolLM2-135M, the model that needs no network, shown examples or "
        "tuned by LoRA on 1,500 real "
        "queries, and the grammar given the same queries beside it; six hundred queries each.",
        _tables_search.query_fidelity,
    ),
    "dialogues": Benchmark(
        "Do synthetic dialogues look real, and are their facts right?",
        ("dialogues.py",),
        "MultiDoGO (customers' side) and JDDC (both), half of the dialogues held out. Distances from held-out ones, "
        "so that less is better; areas of .5 cannot tell. The floor: the same between real ones. Controls: a bag of "
        "real turns, which is incoherent, and copies of the training part, which is what a memoriser would make. Rates "
        "are counted on held-out and made dialogues alike. JDDC's dialogues are cut before they end: it is held beside "
        "dialogues that are cut likewise.",
        _tables_dialogues.dialogues,
    ),
    "pictures": Benchmark(
        "Do pictures of one kind of product look alike?",
        ("pictures.py",),
        "Photos of clothes in ten classes that are not told: the share of each photo's ten nearest by `image_knn` that "
        "are of its class, beside drawing at random; reading, describing and comparing, photos a second on one thread.",
        _tables.pictures,
    ),
    "pictures_useful": Benchmark(
        "Do altered copies of photos help to tell photos apart?",
        ("pictures_useful.py",),
        "Photos of clothes in ten classes, in the source's own parts: a small network from scratch and a linear layer "
        "on the frozen encoder EfficientNet-Lite0, taught on a share of the training photos that each seed draws anew, "
        "with equal updates. Means over seeds on 372 test photos; intervals over photos and seeds.",
        _tables_pictures.pictures_useful,
    ),
    "pictures_made": Benchmark(
        "How fast pictures are made, and what screens of pictures find",
        ("pictures_made.py",),
        "Photos of clothes at 96 pixels, processor seconds of one thread; networks make 32 pixels. Screens learn from "
        "the training photos; they have to let validation photos pass, and to find what was planted in sixty of them.",
        _tables_pictures.pictures_made,
    ),
    "pictures_scratch": Benchmark(
        "How good are pictures from scratch, after as many minutes?",
        ("pictures_scratch.py",),
        "Each network learns the 3,068 training photos of clothes at 32 pixels for as much processor time of one "
        "thread, with its defaults. In what EfficientNet-Lite0 sees, all real photos brought to 32 pixels. Test photos "
        "are real; training photos are what a memoriser would make. “Class told”: by a judge of validation photos.",
        _tables_pictures.pictures_scratch,
    ),
    "pictures_search": Benchmark(
        "Do photos find photos of their class, and themselves altered?",
        ("pictures_search.py",),
        "What the frozen encoder sees, as it is, mapped by what classes of other photos teach, and by `PictureSearch`, "
        "which altered copies of other photos teach, too; beside colours and edges. Settings were chosen with "
        "validation photos asking; test photos ask here. Some alterations were taught to no head.",
        _tables_pictures.pictures_search,
    ),
    "pictures_checks": Benchmark(
        "What checks of pictures find",
        ("pictures_checks.py",),
        "Planted faults on validation photos and on invented shops. Lower is better in all measures; each stands "
        "beside its floor, other real photos, and beside what training photos would score, given as synthetic.",
        _tables_pictures.pictures_checks,
    ),
    "dialogues_useful": Benchmark(
        "Do synthetic dialogues teach intents, slots and replies?",
        ("dialogues_useful.py",),
        "Five or ten real utterances of each intent, 50 dialogues with slots, 1,000 dialogues with replies; four "
        "made turns for each real one in every arm that adds some (replies: as many). All arms train the same learner, "
        "chosen and stopped on validation turns. Intervals over draws and turns. Beginnings of utterances come from "
        "the log's texts without their intents, in *told* from the drawn ones alone. Slots: taggers on the encoder, "
        "taught the drawn dialogues, mark slots in other turns, which are said again; in *told* the drawn ones alone. "
        "Replies: ten are offered; the hard list has those nearest to the true one by BM25; *neighbours* chooses by "
        "what was answered to the nearest messages. Goals over the best control: 5 points at five, 2 at "
        "ten, 5 of slots, 3 of hard replies, and more than the encoder's vectors give. What is missing below was not "
        "run on the present code.",
        _tables_texts.dialogues_useful,
    ),
    "suggest": Benchmark(
        "Do suggested texts claim what no field says, and do keywords help search?",
        ("suggest.py",),
        "Texts of drawn items, all kinds, both languages. *Unsupported*: claims that the machine check refuses. The "
        "oracle reads the catalogue's row alone, whole words and numbers, with no code of the check. A lie is a word "
        "of another item beside a claim. Bars: none unsupported, 90 % of the fields said, every planted lie found, "
        "+ 1 % of NDCG@10 by keywords. Differences are paired over queries. Keywords bring no new word: since BM25 "
        "counts that a word is there at all they add nothing to it, no more than titles said twice.",
        _tables_texts.suggest,
    ),
    "behaviour_fidelity": Benchmark(
        "Can synthetic shoppers be told from real ones?",
        ("behaviour_fidelity.py",),
        "80 % of the users are fitted and 20 % held out; every measure is taken between as many synthetic and held-out "
        "users, the floor with other real users in the place of the synthetic ones. Means over seeds; bold where it is "
        "not beyond 1.25 times the floor in most seeds. Bars for the best generator: the discriminator's area .60 or "
        "less, near-copies no more frequent than among held-out users.",
        _tables_behaviour.behaviour_fidelity,
    ),
    "behaviour_speed": Benchmark(
        "How fast synthesizers of behaviour are",
        ("behaviour_speed.py",),
        "Generated logs of Amazon Beauty's shape; each generator and size a process of its own, networks fitted for "
        "one epoch; `sample` as it is called, tables included. Bars at Beauty's size: walks 2 million events a second "
        "on two cores, networks 50,000; a live session of five events continued by three in 20 ms on one core.",
        _tables_behaviour.behaviour_speed,
    ),
    "advise": Benchmark(
        "Does advice say what is true?",
        ("advise.py",),
        "Twelve made-up shops of known truth, fifty of noise, two real shops in thirty minutes each beside what the "
        "full recipes' best system reaches, and ten million events. Bars: right of eleven, no false “helps”, 95 %, "
        "2 GiB.",
        _tables_advise.advise,
    ),
    "leak": Benchmark(
        "The leak screen, with held-out users planted",
        ("leak.py", "--draws", "3", "--shares", "0", "0.01"),
        "Honest generators, a share of the held-out users, whole, among what they made, and generators that saw all of "
        "the data. Medians of what was held and what decoys explain. Bars: no honest draw refused, every draw with 1 % "
        "planted refused, and every draw of a `markov` or `teacher` that saw everything.",
        _tables.leak,
    ),
    "attacks": Benchmark(
        "What attacks tell of a sample",
        ("attacks.py",),
        "Amazon Beauty, half of the users fitted, as many sampled, the other half held out: the area by which each "
        "attack tells who was fitted (.5: guessing). Then 100,000 users of a made-up shop. Bars: `rhythm` .90 and "
        "`pattern` .93 at least of outlines, `pairs` .80 of chains; 5 minutes and 2 GiB.",
        _tables_privacy.attacks,
    ),
    "generators": Benchmark(
        "Each generator three ways",
        ("generators.py",),
        "Leave-last-out with ties shuffled; half of the users are members, on whose training rows alone a generator is "
        "fitted and as many users sampled, the other half are control and judge. Areas of judges say how well a sample "
        "is told from real users (.5: not at all), *beyond* how many measures lie beyond 1.25 times their floor; "
        "*teaches* is the NDCG@10 of `transitions` taught by the sample alone, over that taught by the members; the "
        "worst attack has the upper end of its interval, bold where it holds the bar of a partner (.55). One seed.",
        _tables_privacy.generators,
    ),
    "release_front": Benchmark(
        "What a safer sample costs whom it teaches",
        ("release_front.py", "--seeds", "3"),
        "Two shops of one catalogue. A sample of the other's shoppers, as many as it has, is added to what this shop's "
        "system learns from; NDCG@10 on its held-out last events. Members are the other shop's users, others this "
        "shop's. private_walk is rehearsed: noise of full strength that can be drawn again. Goals with the highest "
        "upper end at .55 at most: + 45 % by counts, + 30 % at ε 8. Rows of private_walk were taken before each seed "
        "drew its own noise, so that their intervals are too narrow.",
        _tables_privacy.pictured_front,
    ),
    "release_front_beauty": Benchmark(
        "The same on Amazon Beauty",
        ("release_front.py", "--data", "amazon_beauty"),
        "Most steps of that log are one user's own, so that safety costs nearly all that a sample teaches. One seed. "
        "Goal: + 10 % with the highest upper end at .55 at most.",
        _tables_privacy.front,
    ),
    "private_walk": Benchmark(
        "Private shoppers: what ε buys",
        ("private_walk.py",),
        "Amazon Beauty, leave-last-out, ties in random order, δ 1e-6, at most 10 rows of a user: NDCG@10 of "
        "`transitions` taught by the sample alone, and the total variation of items and of category steps beside the "
        "real log. Goals at ε 3: .033 (teaching), .24 and .25 (faithful). These figures were taken before pairs of "
        "items were bought by the forecast from public size, too; on Beauty that forecast buys none, either.",
        _tables_privacy.private_walk,
    ),
    "pairs_by_size": Benchmark(
        "From which size on item pairs survive",
        ("pairs_by_size.py",),
        "A made-up shop with known steps, δ 1e-7, at most 10 rows of a user. Steps along the pairs that were bought, "
        "beside a forecast from the numbers of users and items alone, and the one that the generator makes of what it "
        "paid for. NDCG@10 of `transitions` taught by the sample, with pairs bought in any case and with their price "
        "spent on popularity; bold where pairs add more than two standard errors. Noise of full strength, rehearsed.",
        _tables_privacy.pairs_by_size,
    ),
    "privacy_audit": Benchmark(
        "Is the printed ε right?",
        ("privacy_audit.py",),
        "200,000 draws of each mechanism on the worst neighbours: the ε that they show with 95 % confidence, the most "
        "that so many draws could show, and the estimated μ of the Gaussian. Then one release with planted users. Bar: "
        "never above the ε that was paid.",
        _tables_privacy.audit,
    ),
}


def result(name: str) -> Path:
    """Where a benchmark leaves its figures."""
    return RESULTS / f"{name}.json"


def measure(name: str, note: str) -> bool:
    """Run one benchmark; false where it failed."""
    script, *options = BENCHMARKS[name].call
    command = [
        sys.executable,
        str(HERE / script),
        *options,
        "--json",
        str(result(name)),
        "--note",
        note,
    ]
    print(f"\n== {name}: {' '.join(('python', f'benchmarks/{script}', *options))}", flush=True)
    return subprocess.run(command, check=False).returncode == 0


def page_of(name: str) -> str:
    """The file of a benchmark's page."""
    return f"{name.replace('_', '-')}.md"


def own_page(benchmark: Benchmark, figures: Figures) -> str:
    """Heading, command, table, machine."""
    about, script = figures["about"], benchmark.call
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    where = f"{about['cpu']}, {about['cores']} cores, {about['memory_gib']} GiB, {about['system']}"
    note = f" {about['note']}" if about.get("note") else ""
    command = " ".join(("python", f"benchmarks/{script[0]}", *script[1:]))
    lines = [
        f"# {benchmark.title}",
        "",
        "[All benchmarks](../benchmarks.md)",
        "",
        f"    {command}",
        "",
        # The address of a link is not broken at its hyphens.
        textwrap.fill(benchmark.read, 120, break_on_hyphens=False),
        "",
        *(line.replace("### ", "## ", 1) for line in benchmark.table(figures)),
        "",
        f"*{where}; {about['date']}; {versions}.{note}*",
        "",
    ]
    return "\n".join(lines)


def write_pages() -> None:
    """Write the front and a page each from the files that are there."""
    found = {
        name: json.loads(result(name).read_text(encoding="utf-8"))
        for name in BENCHMARKS
        if result(name).exists()
    }
    lines = ["# Benchmarks", "", textwrap.fill(INTRODUCTION, 120), ""]
    links = {name: f"{PAGES.name}/{page_of(name)}" for name in found}
    lines += ["## At a glance", "", *_claims.rows(found, links), "", "## All of them", ""]
    lines += [f"- [{BENCHMARKS[name].title}]({link})" for name, link in links.items()]
    # All are made before one is written: where a table fails, the pages that were there stay.
    pages = {page_of(name): own_page(BENCHMARKS[name], figures) for name, figures in found.items()}
    PAGE.write_text("\n".join([*lines, ""]), encoding="utf-8")
    PAGES.mkdir(exist_ok=True)
    for old in PAGES.glob("*.md"):
        old.unlink()
    for name, page in pages.items():
        (PAGES / name).write_text(page, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(BENCHMARKS), help="run these alone")
    parser.add_argument("--large", action="store_true", help="run the hundred million events, too")
    parser.add_argument("--table", action="store_true", help="run none, only write the pages")
    parser.add_argument("--note", default="", help="what to say of the circumstances")
    chosen = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    wanted = chosen.only or [
        name for name, entry in BENCHMARKS.items() if chosen.large or not entry.large
    ]
    failed = [] if chosen.table else [name for name in wanted if not measure(name, chosen.note)]
    write_pages()
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}.")


if __name__ == "__main__":
    main()
