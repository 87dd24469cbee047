"""What must not go into a prompt or come out of a model: blocked words, instructions, invented facts.

Rules over text, in English and Chinese: nothing is learned and nothing is asked. They find what has a form. A name
without a salutation, or an order to a model in words of its own, passes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from wareloom.language._flat import UNSEEN
from wareloom.language.tokenise import tokenise

LONGEST = 2_000
"""Characters of a text that a prompt is given at most"""
OPEN, CLOSE = "<< ", " >>"
"""Stand round a text that is data; `as_data` sees to it that the text holds neither"""
_HAN = r"[\u4e00-\u9fff]"
_ORDERS = tuple(
    re.compile(form)
    for form in (
        r"\b(?:ignore|disregard|forget|override|bypass|skip)\b(?:\s+\w+){0,5}?\s+(?:instructions?|prompts?|rules|directions"
        r"|guidelines|commands|context|everything|messages?)\b",
        r"\b(?:do not|don'?t|never|stop) (?:follow|obey)(?:ing)?\b(?:\s+\w+){0,4}\s+(?:instructions?|rules|prompt)",
        r"\byou(?: a|')re now (?:an?|the|my|free|no longer|in \w+ mode)\b|\bfrom now on,? you\b"
        r"|\bpretend (?:to be|that you|you are)\b|\bact as (?:an? )?"
        r"(?:ai\b|assistant|admin|developer|system|unrestricted)",
        r"\b(?:reveal|print|show|repeat|output|leak|tell me)\b(?:\s+\w+){0,3}\s+(?:system prompt|your (?:prompt|"
        r"instructions|rules)|hidden prompt|api key)",
        r"\bsystem prompt\b|\bdeveloper (?:mode|message)\b|\bjailbreak\b|\bnew instructions?\s*:|\bnew task\s*:",
        r"<\|[\w ]{1,30}\|>|\[/?inst\]|<</?sys>>|#{2,}\s*(?:instruction|system|response)\b",
        r"(?:^|\n|[.!?]\s)\s*(?:system|assistant)\s*:\s",
        r"\b(?:always|only|just|must|instead,?|please|and) (?:answer|respond|reply|say|output|rank|rate|grade|score)\b"
        r"(?:\s+\w+){0,6}?\s+(?:yes|first|highest|top|maximum|perfect|relevant|[35](?: stars?)?)\b",
        r"\bas an? (?:ai|language model)\b,? you\b",
        r"(?:忽略|无视|忘记|忽视|忘掉|不要理会|不要遵守|跳过).{0,12}(?:指令|指示|提示|规则|要求|说明|设定|命令|对话)",
        r"你现在是|从现在(?:起|开始),?你|系统提示|(?:假装|扮演).{0,6}(?:你是|助手|管理员|系统|开发者)|开发者模式|越狱",
        r"(?:输出|泄露|显示|告诉我|重复).{0,6}(?:提示词|系统提示|你的指令|你的规则|密钥)",
        r"(?:必须|一律|直接|总是|只能|请).{0,4}(?:回答|回复|打|给|评|输出).{0,8}(?:满分|最高分|最相关|第一名|5分|3分|“是”|\"是\")",
        r"新(?:的)?(?:指令|任务)\s*:",
    )
)


def blocked(text: str, words: Iterable[str]) -> list[str]:
    """Return which of the words or phrases stand in a text, whatever their case and width.

    Words of spaced scripts count as whole words, Chinese ones wherever they stand.
    """
    plain = _plain(text)
    return [word for word in words if word.strip() and re.search(_whole(_plain(word)), plain)]


def as_data(text: str, longest: int = LONGEST) -> str:
    """Return a text for a prompt, in marks that it cannot hold itself: what it says is data and no instruction.

    Control characters, line breaks among them, become blanks; those that are unseen or turn the direction of writing
    go; what is longer than `longest` characters is cut and ends in "…".
    """
    # A text of any length costs no more than what is kept of it.
    text = "".join(
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text[: 4 * longest]
    )
    text = re.sub(r"<\s*<[<\s]*", "<", re.sub(r">\s*>[>\s]*", ">", UNSEEN.sub("", text)))
    text = " ".join(text.split())
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    return f"{OPEN}{text.strip()}{CLOSE}"


def injected(text: str) -> list[str]:
    """Return the phrases of a text that speak to a model rather than of a product, in English and Chinese."""
    plain = _plain(text)
    return [match[0].strip() for form in _ORDERS if (match := form.search(plain))]


def unsupported(text: str, facts: str | Sequence[str], brands: Iterable[str] = ()) -> list[str]:
    """Return the numbers, numbers with units, and brands of a text that its facts do not hold, in order.

    `facts` is what the catalogue says of the product. A number with a unit needs that unit, however it is written; a
    number alone may have one in the facts. `brands` are those to look for.
    """
    facts = [facts] if isinstance(facts, str) else facts
    known = [word for fact in facts for word in tokenise(fact)]
    words, numbers = set(known), {_figures(word) for word in known if _figures(word)}
    said = tokenise(text)
    found = [
        w
        for w in said
        if _figures(w) and w not in words and not (w == _figures(w) and w in numbers)
    ]
    for brand in brands:
        own = tokenise(brand)
        if own and _stands(own, said) and not _stands(own, known):
            found.append(brand)
    return list(dict.fromkeys(found))


def _plain(text: str) -> str:
    """Bring a text to one width and case, without what is unseen and with single blanks; line breaks stay."""
    text = unicodedata.normalize("NFKC", UNSEEN.sub("", text)).casefold().replace("’", "'")
    return re.sub(r" ?\n\s*", "\n", re.sub(r"[^\S\n]+", " ", text)).strip()


def _whole(word: str) -> str:
    spaced = re.escape(word)
    before = r"(?<!\w)" if re.match(r"\w", word) and not re.match(_HAN, word) else ""
    after = r"(?!\w)" if re.search(r"\w$", word) and not re.search(f"{_HAN}$", word) else ""
    return f"{before}{spaced}{after}"


def _figures(word: str) -> str:
    """Return the number a word begins with, as "12" of "12v"; empty where it begins with none."""
    match = re.match(r"\d+(?:-\d+/\d+|/\d+)?(?:\.\d+)?", word)
    return match[0] if match else ""


def _stands(own: Sequence[str], words: Sequence[str]) -> bool:
    return any(list(words[i : i + len(own)]) == list(own) for i in _places(words, own[0]))


def _places(words: Sequence[str], word: str) -> Iterator[int]:
    return (place for place, other in enumerate(words) if other == word)
