"""What must not go into a prompt or come out of a model: personal data, blocked words, instructions, invented facts.

Rules over text, in English and Chinese: nothing is learned and nothing is asked. They find what has a form. A name
without a salutation, or an order to a model in words of its own, passes.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from wareloom.language.tokenise import tokenise

LONGEST = 2_000
"""Characters of a text that a prompt is given at most"""
OPEN, CLOSE = "<< ", " >>"
"""Stand round a text that is data; `as_data` sees to it that the text holds neither"""
_HAN = r"[\u4e00-\u9fff]"
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾萧田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭"
    "陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔汤"
)
_NAME = r"[A-Z][a-zà-ÿ]{0,20}[’'-]?[A-Za-zà-ÿ]{1,20}"
_SURE = r"Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Terrace|Highway|Hwy|Parkway|Pkwy"
_UNSURE = r"Drive|Dr|Court|Ct|Place|Pl|Way|Square|Sq|Circle|Cir"
"""Ends of streets that products end in as well: they count before a comma or at the end alone"""

_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("email", re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,5}")),
    ("id", re.compile(r"(?<![\dA-Za-z])\d{17}[\dXx](?![\dA-Za-z])")),
    ("card", re.compile(r"(?<![\w-])[2-6]\d{3}(?:[ -]?\d{4}){3}(?![\w-])")),
    ("card", re.compile(r"(?<![\w-])3[47]\d{2}[ -]?\d{6}[ -]?\d{5}(?![\w-])")),
    ("order", re.compile(r"(?<![\w-])\d{3}-\d{7}-\d{7}(?![\w-])")),
    (
        "order",
        re.compile(
            r"(?:\b(?:order|invoice|tracking|shipment|bestellung|rechnung)\b|订单|运单|快递单|发票)"
            r"\s{0,3}(?:number|num\b|no\b|nr\b|id\b|code|编号|号码|号)?\.?\s{0,3}(?:is\b|是|为)?\s{0,3}[:：#]?\s{0,3}#?\s{0,3}"
            r"(?P<own>(?=[A-Z-]*\d(?:[A-Z-]*\d){3})[A-Z0-9][A-Z0-9-]{5,})",
            re.IGNORECASE,
        ),
    ),
    (
        "phone",
        re.compile(r"(?<![\w.-])(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}(?![\w-])", re.ASCII),
    ),
    ("phone", re.compile(r"(?<![\w.])0\d{2,3}-\d{7,8}(?![\w-])", re.ASCII)),
    ("phone", re.compile(r"(?<![\w.])\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,6}(?!\w)", re.ASCII)),
    (
        "phone",
        re.compile(
            r"(?<![\w.-])(?:1[-. ])?(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}(?![\w-])", re.ASCII
        ),
    ),
    (
        "address",
        re.compile(
            rf"\b\d{{1,5}}[A-Za-z]?\s{{1,3}}(?:[NSEW]\.?\s{{1,3}})?(?:(?:[A-Z][a-z]+|\d+(?:st|nd|rd|th))\s{{1,3}}){{1,3}}"
            rf"(?:(?:{_SURE})\b(?!\s{{1,3}}[a-z])|(?:{_UNSURE})\b(?=\s{{0,3}}(?:,|\.\s{{0,3}}$|$|\s(?:Apt|Unit|Suite))))",
            re.MULTILINE,
        ),
    ),
    (
        "address",
        re.compile(
            r"\b[A-ZÄÖÜ][a-zäöüß]+(?:straße|strasse|str\.|gasse|allee|platz)\s{1,3}\d{1,4}[a-z]?\b"
        ),
    ),
    (
        "address",
        re.compile(
            rf"{_HAN}{{2,20}}?(?:大道|胡同|路|街|道|巷|弄)\s?\d{{1,5}}\s?[号弄](?:[\u4e00-\u9fff\d-]{{0,12}}(?:室|楼|单元|栋))?"
        ),
    ),
    (
        "name",
        re.compile(
            rf"\b(?:Mr|Mrs|Ms|Mx|Dr|Prof|Herr|Frau|Monsieur|Madame)\b\.?\s{{1,3}}(?P<own>{_NAME}(?:\s{{1,3}}{_NAME})?)(?!\w)"
        ),
    ),
    (
        "name",
        re.compile(
            rf"\b(?:Dear|Hi|Hello|Hey)\s{{1,3}}(?P<own>{_NAME}(?:\s{{1,3}}{_NAME})?)(?=\s{{0,3}}[,!:])"
        ),
    ),
    (
        "name",
        re.compile(
            rf"\b(?:[Rr]egards|[Ss]incerely|[Cc]heers|[Tt]hanks),\s{{0,3}}(?P<own>{_NAME}(?:\s{{1,3}}{_NAME})?)\s{{0,3}}$",
            re.M,
        ),
    ),
    ("name", re.compile(rf"(?<!{_HAN})[{_SURNAMES}]{_HAN}{{0,2}}(?:先生|女士|小姐(?!姐)|太太)")),
    (
        "name",
        re.compile(
            rf"(?:收件人|收货人|联系人|姓名)\s{{0,3}}[:：是]\s{{0,3}}(?P<own>{_HAN}{{2,4}})"
        ),
    ),
)
_NOBODY = frozenset(
    (
        "customer",
        "customers",
        "sir",
        "madam",
        "team",
        "all",
        "friend",
        "friends",
        "everyone",
        "there",
        "valued",
    )
)
_COUNTED = frozenset(
    (
        "piece",
        "pieces",
        "pack",
        "packs",
        "inch",
        "count",
        "light",
        "set",
        "way",
        "outlet",
        "speed",
        "gallon",
        "drawer",
    )
)
"""Words that follow the number of a product and not that of a house"""

_UNSEEN = re.compile(
    "[\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
"""Characters that turn the direction of a text or are not seen"""

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


@dataclass(frozen=True)
class Finding:
    """One piece of personal data in a text."""

    kind: str
    """email, phone, address, order, card, id or name."""
    text: str
    """As it stands there."""
    start: int
    """Where it begins, in characters."""


def personal_data(text: str, brands: Iterable[str] = ()) -> list[Finding]:
    """Return what identifies a person in a text, in order, none of it twice.

    Numbers of cards count where Luhn's check holds, Chinese identity numbers where theirs and the date of birth do.
    Names count after a salutation, before 先生 or 女士, and in a greeting; those that begin with one of `brands`, such
    as "Dr. Martens", do not.
    """
    known = tuple(brand.casefold() for brand in brands if brand)
    found: list[Finding] = []
    for kind, form in _FORMS:
        for match in form.finditer(text):
            group = "own" if "own" in form.groupindex else 0
            said, start = match[group], match.start(group)
            if any(start < f.start + len(f.text) and f.start < start + len(said) for f in found):
                continue
            if _holds(kind, said) and not (
                kind == "name" and known and match[0].casefold().startswith(known)
            ):
                found.append(Finding(kind, said, start))
    return sorted(found, key=lambda finding: finding.start)


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
    text = re.sub(r"<\s*<[<\s]*", "<", re.sub(r">\s*>[>\s]*", ">", _UNSEEN.sub("", text)))
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


def _holds(kind: str, said: str) -> bool:
    """Say whether what has the form of personal data is some."""
    digits = [int(letter) for letter in said if letter.isdecimal()]
    if kind == "card":
        return _luhn(digits)
    if kind == "id":
        return _identity(said.upper())
    if kind == "phone":
        return 7 <= len(digits) <= 15
    if kind == "name":
        return said.split()[0].casefold() not in _NOBODY and "任何" not in said
    if kind == "address":
        return not _COUNTED & {word.casefold() for word in said.split()[1:-1]}
    return True


def _luhn(digits: Sequence[int]) -> bool:
    doubled = [
        digit if place % 2 == 0 else sum(divmod(2 * digit, 10))
        for place, digit in enumerate(reversed(digits))
    ]
    return len(set(digits)) > 1 and sum(doubled) % 10 == 0


def _identity(said: str) -> bool:
    """Check a Chinese identity number: date of birth and ISO 7064 MOD 11-2."""
    try:
        born = datetime.date(int(said[6:10]), int(said[10:12]), int(said[12:14]))
    except ValueError:
        return False
    weighed = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(said[:17]))
    return born.year >= 1900 and "10X98765432"[weighed % 11] == said[17]


def _plain(text: str) -> str:
    """Bring a text to one width and case, without what is unseen and with single blanks; line breaks stay."""
    text = unicodedata.normalize("NFKC", _UNSEEN.sub("", text)).casefold().replace("’", "'")
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
