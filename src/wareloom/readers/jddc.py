"""JDDC: Chinese customer-service dialogues, a context and its reply a line, in two files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from wareloom.errors import SourceError
from wareloom.readers import Intake, Reader
from wareloom.readers._dialogues import DIALOGUES, no_items
from wareloom.readers._speakers import Speakers, error
from wareloom.readers._text import Piece, known, pieces, without_notes
from wareloom.shop.schema import AGENT, CUSTOMER
from wareloom.shop.spans import Slot

CONTEXT, REPLY = re.compile(r"\.enc(\.|$)"), re.compile(r"\.dec(\.|$)")
MARK = ","
"""A half-width comma ends a message in these files; in a sentence stands a full-width one"""
CODES = re.compile(r"#E-\w\[[^\[\]]*\]|\[ORDERID_\d+\]|\[USERID_\d+\]|\[[^\[\]\s]{1,10}x\]")
NAMES = {
    "数字": "number", "金额": "money", "日期": "date", "时间": "time", "站点": "site", "姓名": "name",
    "地址": "address", "电话": "phone", "链接": "link", "组织机构": "organisation", "身份证号": "identity",
    "邮箱": "email",
}  # fmt: skip
"""What the platform put for what it took out of a text"""


@dataclass(kw_only=True, eq=False)
class Jddc(Reader):
    """JDDC's pairs (Chen et al. 2020), line by line: NAME.enc has what was said before, NAME.dec the agent's reply.

    A half-width comma ends a message. The files do not say who said it, and speakers do not alternate. What precedes a
    reply is a customer's message, since an agent's messages in a row are one reply; these two kinds teach a small
    classifier, which decides on all other messages. Its error on dialogues that it did not learn from is told.
    Platform codes such as `#E-s[数字x]` and `[ORDERID_1]` stay in the text, as slots.
    """

    meta: ClassVar[dict[str, str]] = {"language": "zh"}
    example: ClassVar[dict[str, str]] = {
        "train.enc": "您好,什么时候发货,[ORDERID_1],\n您好,我要退货,\n",
        "train.dec": "明天发货哦,\n可以的,请问还有其他还可以帮到您的吗?#E-s[数字x],\n",
    }

    encoding: str = "utf-8"
    """The encoding of the files."""

    @classmethod
    def detect(cls, source: str) -> bool:
        """Whether there is a file of contexts and one of replies."""
        found = known(source)
        return all(any(form.search(piece.name) for piece in found) for form in (CONTEXT, REPLY))

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return dialogues, and items without a row."""
        found = without_notes(pieces(source))
        contexts = {CONTEXT.sub(r"\1", p.name): p for p in found if CONTEXT.search(p.name)}
        replies = {REPLY.sub(r"\1", p.name): p for p in found if REPLY.search(p.name)}
        if not contexts or contexts.keys() != replies.keys():
            names = ", ".join(p.name for p in found) or "nothing"
            raise SourceError(
                f"{source} holds {names}: JDDC has pairs of files, such as train.enc and train.dec."
            )
        frames = [self._pair(contexts[n], replies[n], n, intake) for n in sorted(contexts)]
        return {"items": no_items(), "dialogues": pl.concat(frames).lazy()}

    def _pair(self, context: Piece, reply: Piece, name: str, intake: Intake) -> pl.DataFrame:
        before, after = (self._lines(piece, intake) for piece in (context, reply))
        if len(before) != len(after):
            raise SourceError(
                f"{context.name} has {len(before):,} lines and {reply.name} {len(after):,}: they go line by line; take "
                "both files from one download."
            )
        talks = [(_messages(a), _messages(b)) for a, b in zip(before, after, strict=True)]
        speakers, told = _speakers(talks)
        intake.say(f"{context.name}: {told}")
        rows = list(_rows(talks, speakers, name.partition(".")[0], context.name))
        if not rows:
            raise SourceError(f"{context.name} and {reply.name} hold no message.")
        return pl.DataFrame(rows, schema=DIALOGUES, orient="row").with_columns(
            language=pl.lit("zh")
        )

    def _lines(self, piece: Piece, intake: Intake) -> list[str]:
        text = intake.text(piece, encoding=self.encoding)
        return text.path.read_text(encoding="utf-8").lstrip("\ufeff").splitlines()


Talk = tuple[list[str], list[str]]
"""The messages before a reply, and those of the reply"""


def _messages(line: str) -> list[str]:
    return [part.strip() for part in line.split(MARK) if part.strip()]


def _speakers(talks: list[Talk]) -> tuple[Speakers, str]:
    """A classifier of messages, and a sentence on its error."""
    known = [
        (message, agent, number)
        for number, (before, reply) in enumerate(talks)
        for messages, agent in ((before[-1:], False), (reply, True))
        for message in messages
    ]
    messages = [message for message, _, _ in known]
    agent = np.array([one[1] for one in known], dtype=bool)
    dialogue = np.array([one[2] for one in known], dtype=np.int64)
    wrong = error(messages, agent, dialogue)
    taught = Speakers.taught(messages, agent)
    if wrong is None:
        return (
            taught,
            "there are too few dialogues to say how often a speaker is taken for the other.",
        )
    return taught, (
        "who said a message before the last one was told by a classifier. On dialogues that it did not learn from, it "
        f"takes {wrong[0]:.1%} of customers' messages for an agent's, and {wrong[1]:.1%} of agents' for a customer's."
    )


def _rows(talks: list[Talk], speakers: Speakers, stem: str, file: str) -> Iterator[tuple[Any, ...]]:
    inner = [message for before, _ in talks for message in before[:-1]]
    agents = iter(speakers.agents(inner).tolist() if inner else [])
    for number, (before, reply) in enumerate(talks, start=1):
        said = [(message, AGENT if next(agents) else CUSTOMER) for message in before[:-1]]
        said += [(message, CUSTOMER) for message in before[-1:]]
        said += [(message, AGENT) for message in reply]
        for turn, (message, role) in enumerate(said):
            slots = list(_slots(message)) or None
            yield f"{stem}-{number}", str(turn), role, message, None, slots, number, file, None


def _slots(text: str) -> Iterator[Slot]:
    """The platform's codes in a text."""
    for code in CODES.finditer(text):
        said = code[0]
        if said.startswith("#E"):
            name = "emoji"
        elif "ID_" in said:
            name = "order_id" if said.startswith("[ORDER") else "user_id"
        else:
            name = NAMES.get(said[1:-2], said[1:-2])
        yield {"name": name, "value": said, "start": code.start(), "end": code.end()}
