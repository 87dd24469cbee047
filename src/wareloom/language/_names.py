"""Names of people: by what stands before or after them, and by lists of names that are common."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wareloom.language._known import (
    CHINESE_GOODS,
    COMPOUND,
    ENGLISH,
    EPONYMS,
    GIVEN,
    GOODS,
    LETTERS,
    NOBODY,
    PINYIN,
    SINGLE,
    STOP,
    SURNAMES,
    SYLLABLE,
    THINGS,
)
from wareloom.language._numbers import Span

HAN = r"[\u4e00-\u9fff]"
_OWN = r"(?:(?![您你我他她的了是])[\u4e00-\u9fff])"
"""A character that a given name may have"""
_WORD = r"(?:[A-Z]['’][A-Z]|Mc[A-Z]|Mac[A-Z]|[A-Z])[a-zà-ÿ]{1,20}(?:[’'-][A-Z][a-zà-ÿ]{1,20})?(?![a-zà-ÿA-Z])"
_FULL = (
    rf"{_WORD}(?:\s{{1,3}}(?:[A-Z]\.?\s{{1,3}})?(?:(?:de la|de|van der|van|von|del|di|bin|al"
    rf"|la)\s{{1,3}})?{_WORD}){{0,2}}"
)
_ANY = r"[A-Za-zà-ÿÀ-Þ][A-Za-zà-ÿ'’-]{1,20}"
_TITLE = re.compile(
    rf"\b(?:Mr|Mrs|Ms|Mx|Dr|Prof|Professor|Herr|Frau|Monsieur|Madame"
    rf"|Miss)\b\.?\s{{1,3}}(?P<own>(?:[A-Z]\.?\s{{1,2}})?{_FULL})"
)
_LOW_TITLE = re.compile(
    rf"\b(?:mr|mrs|ms|mx|dr|prof|miss)\b\.?\s{{1,3}}(?P<own>{_ANY}(?:\s{_ANY})?)", re.IGNORECASE
)
_GREETING = re.compile(
    rf"\b(?:Dear|Hi|Hello|Hey|hi|hello|hey|dear)\s{{1,3}}(?P<own>{_FULL})(?=\s{{0,3}}[,!:])"
)
_SIGNED = re.compile(
    rf"\b(?:[Rr]egards|[Ss]incerely|[Cc]heers|[Tt]hanks|[Tt]hank you|[Bb]est"
    rf"|[Yy]ours),\s{{0,3}}(?P<own>{_FULL})\s{{0,3}}\.?$",
    re.M,
)
_SURE = re.compile(
    r"\b(?:my (?:full |first |last )?name(?: is|'s|’s|:)?"
    r"|(?<!brand )(?<!product )(?<!company )(?<!item )(?<!city )(?<!model )(?<!file )name(?: is|:)|(?:full "
    r"|first |last |customer |recipient )name(?: is|:)?|recipient:?"
    r"|attn\.?:?|attention:|c/o|care of|in the name of|name on (?:the )?card:?(?: is)?|card ?holder:?"
    r"|account holder:?|signed (?:for )?by"
    r"|ordered by|purchased by|bought by|addressed to|named after my \w+|i am called|they call me|my (?:wife"
    r"|husband|son|daughter|mother|father"
    r"|mom|dad|brother|sister|neighbou?r|boss|friend|colleague|cousin|aunt|uncle|grandma"
    r"|grandpa)(?: is)?(?: called| named)?,?)"
    rf"\s{{1,3}}(?P<own>(?:[A-Z]\.\s{{1,2}})?{_ANY}(?:,?\s{{1,2}}(?:[A-Z]\.?\s)?(?:(?:de la|de|van|von|del|di"
    rf"|bin|al)\s)?{_ANY}){{0,2}})",
    re.IGNORECASE,
)
_LIKELY = re.compile(
    r"\b(?i:i am|i'm|i’m|this is|speaking with|speak (?:to|with)|talk(?:ed)? to|ask for|contact|customer|buyer"
    r"|client|user|reviewer"
    r"|(?:ship|shipped|deliver|delivered|send|sent|give|gave|given|gift|hand|handed)(?: it| this| them"
    r"| these)? (?:to|for)"
    rf"|engraved|(?:reviewed|paid|posted) by)\s{{1,3}}(?P<own>{_FULL})"
)
_PAIR = re.compile(
    rf"(?<![\w'’&-])(?P<given>{_ANY})\s{{1,2}}(?:[A-Za-z]\.?\s{{1,2}})?(?P<family>{_ANY})(?![\w-])"
)
_TURNED = re.compile(rf"(?<![\w'’&-])(?P<family>{_WORD}),\s{{1,2}}(?P<given>{_WORD})(?![\w-])")
_FAMILY = rf"(?:{COMPOUND}|[{SINGLE}])"
_END = (
    r"(?=$|[^\u4e00-\u9fff]|的|收|先生|女士|小姐|太太|老师|同学|您?你?好|电话|手机|联系|地址|身份|住|在|说|想|要|买|来|已|是|和|与|签|下单|本人|购|订|邮|号"
    r"|这|刚|亲|没|还|给|就)"
)
_LADY = r"(?:先生|女士(?![帽包鞋裤装内款用手短长羽毛外睡皮])|小姐(?!姐)|太太(?!阳))"
_ROLE = rf"(?:{_LADY}|经理|老师|师傅|医生|教授|主任)"
_TOLD = re.compile(
    rf"(?:收件人|收货人|联系人|签收人|姓名|名字|真名|户名|开户名|持卡人|下单人|购买人|订购人|寄件人|发件人|买家|客户|顾客|会员|我叫|名叫|叫做|本人)"
    rf"(?P<mark>\s{{0,3}}(?:名|叫|姓名)?\s{{0,3}}[:是为]?\s{{0,3}})(?P<own>{_FAMILY}(?P<given>{_OWN}{{1,2}})){_END}"
)
_SIGNERS = (
    "收件人",
    "收货人",
    "联系人",
    "签收人",
    "户名",
    "开户名",
    "持卡人",
    "下单人",
    "购买人",
    "订购人",
    "寄件人",
    "发件人",
)
_CHINESE = (
    re.compile(
        rf"(?:收件人|收货人|联系人|姓名)\s{{0,3}}[:是]\s{{0,3}}(?P<own>{HAN}{{2,4}})(?!{HAN})"
    ),
    re.compile(rf"(?<!{HAN})(?P<own>{_FAMILY}{HAN}{{0,2}}{_LADY})"),
    re.compile(
        rf"(?:我是|给|由|麻烦|感谢|谢谢|跟|联系|让|转告|告诉|请)\s?(?P<own>{_FAMILY}{HAN}{{0,2}}{_ROLE})"
    ),
)
_WEAK = re.compile(
    rf"(?:我是|这是|给|由|麻烦|感谢|谢谢|联系|让|朋友|同事|邻居|爸爸|妈妈|老公|老婆|儿子|女儿|同学|老板|转交|交给|寄给|送给|送至|找|请|快递员|司机|客服|店员|业务员|[,\s]叫)"
    rf"\s?(?P<own>{_FAMILY}(?P<given>{_OWN}{{1,2}})){_END}"
)
_ALONE = re.compile(
    rf"(?<![\u4e00-\u9fffA-Za-z])(?P<own>{_FAMILY}(?P<given>{_OWN}{{1,2}}))(?![\u4e00-\u9fff])"
)
_PINYIN = re.compile(
    r"(?<![\w-])(?:(?P<family>[A-Z][a-z]{1,5})\s(?P<given>[A-Z][a-z]{1,9})"
    r"|(?P<first>[A-Z][a-z]{1,9})\s(?P<last>[A-Z][a-z]{1,5}))(?![\w-])"
)
_TWO = re.compile(f"(?:{SYLLABLE}){{1,2}}")


def names(text: str, near: list[tuple[int, int]]) -> Iterator[Span]:
    """Yield "name", start and end of each name of a person in a flat text; they may overlap, surest first.

    `near`: where other personal data stands; a Chinese name that stands alone beside it is one.
    """
    if any("A" <= sign <= "z" for sign in text[:4000]):
        yield from _western(text)
    if re.search(HAN, text):
        yield from _chinese(text, near)


def _western(text: str) -> Iterator[Span]:
    for form in (_TITLE, _GREETING, _SIGNED):
        for found in form.finditer(text):
            if (
                found["own"].split()[0].casefold() not in NOBODY
                and not _goods(text[found.start() : found.end() + 12])
                and not _goods(found["own"])
            ):
                yield "name", *found.span("own")
    for found in _LOW_TITLE.finditer(text):
        words = found["own"].casefold().split()
        if not _goods(text[found.start() : found.end() + 12]) and (
            words[0] in SURNAMES - THINGS or words[0] in GIVEN - GOODS
        ):
            both = len(words) > 1 and words[1] in SURNAMES
            yield (
                "name",
                found.start("own"),
                found.end("own") if both else found.start("own") + len(words[0]),
            )
    for found in _SURE.finditer(text):
        if span := _told(found):
            yield "name", *span
    for found in _LIKELY.finditer(text):
        words = found["own"].split()
        if not words[0][0].isupper() or _goods(found["own"]):
            continue
        folded = [word.casefold() for word in words]
        family = folded[-1] in SURNAMES or "'" in folded[-1] or folded[-1].startswith("mc")
        if (
            len(words) > 1
            and ((folded[0] in GIVEN and words[-1][0].isupper()) or family)
            and not (folded[0] in GOODS and folded[-1] in THINGS)
        ):
            yield "name", *found.span("own")
    yield from _pairs(text)


def _told(found: re.Match[str]) -> tuple[int, int] | None:
    """Where a name ends that the words before it announce."""
    said, start = found["own"], found.start("own")
    capital = said[0].isupper()
    lead = found[0][: start - found.start()].casefold()
    end, number = 0, 0
    for word in re.finditer(r"\S+", said):
        own, bare = word[0].rstrip(".,"), word[0].casefold().rstrip(".,'’")
        particle = bare in ("de", "la", "van", "von", "del", "di", "bin", "al")
        initial = len(bare) == 1 and own.isupper() and (number or word[0].endswith("."))
        if (
            (bare in STOP and not initial)
            or (bare in NOBODY and not number)
            or (capital and not own[0].isupper() and not particle)
        ):
            break
        end, number = word.start() + len(own), number + 1
    if not number or _goods(said[:end]):
        return None
    words = said[:end].casefold().split()
    listed = words[0] in GIVEN or words[-1] in SURNAMES
    if ("name" in lead and "name on" not in lead) or listed:
        return start, start + end
    # One name after "my husband" and such: the sentence has to go on in lower case, which titles of goods do not.
    beyond = said[end:].lstrip() or found.string[found.end() :].lstrip()
    goes_on = not beyond[:1].isupper()
    return (
        (start, start + end) if capital and (number > 1 or "my " not in lead or goes_on) else None
    )


def _pairs(text: str) -> Iterator[Span]:
    """A given name and a family name that are common, side by side; not both such as things have."""
    start = 0
    while found := _PAIR.search(text, start):
        start = found.start("family")
        given, family = found["given"].casefold(), found["family"].casefold().replace("’", "'")
        family = family.removesuffix("'s")
        if (
            given not in GIVEN
            or family not in SURNAMES
            or _goods(text[found.start() : found.start() + 50])
        ):
            continue
        upper = found["given"][0].isupper(), found["family"][0].isupper()
        vague = (given in GOODS) + (family in THINGS)
        if upper == (True, True) and not (found["given"].isupper() and vague):
            if vague < 2 or re.search(r"\b(?:from|to|of)\s$", text[: found.start()][-8:]):
                yield (
                    "name",
                    found.start(),
                    found.end("family") - 2 * found["family"].casefold().endswith("'s"),
                )
        elif vague < 2 and (upper == (False, False) or found["given"].isupper()):
            yield "name", *found.span()
    for found in _TURNED.finditer(text):
        given, family = found["given"].casefold(), found["family"].casefold()
        if given in GIVEN - GOODS and family in SURNAMES - THINGS:
            yield "name", *found.span()
    for found in _PINYIN.finditer(text):
        one, two = found[0].casefold().split()
        if one in ENGLISH or two in ENGLISH or _goods(found[0]):
            continue
        if (one in PINYIN and _TWO.fullmatch(two)) or (two in PINYIN and _TWO.fullmatch(one)):
            yield "name", *found.span()


def _chinese(text: str, near: list[tuple[int, int]]) -> Iterator[Span]:
    for form in _CHINESE:
        for found in form.finditer(text):
            if not re.match(CHINESE_GOODS, found["own"]) and "任何" not in found["own"]:
                yield "name", *found.span("own")
    for found in _TOLD.finditer(text):
        closed = found[0].startswith(_SIGNERS) and not re.match(HAN, text[found.end() :])
        sure = found["mark"].strip() or found[0].startswith(("我叫", "名叫", "叫做")) or closed
        if (sure or _given(found)) and not re.match(CHINESE_GOODS, found["own"]):
            yield "name", *found.span("own")
    for found in _WEAK.finditer(text):
        if _given(found) and not re.match(CHINESE_GOODS, found["own"]):
            yield "name", *found.span("own")
    for found in _ALONE.finditer(text):
        start, end = found.span("own")
        beside = any(0 <= start - there <= 6 or 0 <= here - end <= 6 for here, there in near)
        if beside and _given(found) and not re.match(CHINESE_GOODS, found["own"]):
            yield "name", start, end


def _given(found: re.Match[str]) -> bool:
    """Whether what follows a family name is what given names are made of; families of two characters are no words."""
    return set(found["given"]) <= LETTERS or len(found["own"]) - len(found["given"]) == 2


def _goods(said: str) -> bool:
    """Whether a name is one that goods bear, or begins with one."""
    words = re.findall(r"[\w-]+", re.sub(r"[.’']", "", said.casefold()))
    return any(" ".join(words[:n]) in _BARE for n in (1, 2, 3))


_BARE = frozenset(re.sub(r"[.’']", "", phrase) for phrase in EPONYMS)
