"""Sentences of shops with personal data planted in them, and such without that look alike: made by templates.

Nothing here is shared with the recognisers: names, streets, check digits and forms are its own.
"""

from __future__ import annotations

import itertools
import random
from typing import NamedTuple


class Planted(NamedTuple):
    """One sentence, and the personal data in it; kind and said are empty where there is none."""

    text: str
    kind: str = ""
    said: str = ""


FIRST = [
    "Michael",
    "Jennifer",
    "David",
    "Susan",
    "Robert",
    "Linda",
    "James",
    "Patricia",
    "Daniel",
    "Nancy",
    "Kevin",
    "Karen",
    "Brian",
    "Deborah",
    "Jason",
    "Rebecca",
    "Eric",
    "Kathleen",
    "Stephen",
    "Christine",
    "Carlos",
    "Maria",
    "Ahmed",
    "Priya",
    "Timothy",
    "Pamela",
    "Gregory",
    "Megan",
    "Patrick",
    "Heather",
]
LAST = [
    "Johnson",
    "Williams",
    "Garcia",
    "Rodriguez",
    "Anderson",
    "Thompson",
    "Martinez",
    "Nguyen",
    "Patel",
    "Sullivan",
    "Hernandez",
    "Peterson",
    "Campbell",
    "Edwards",
    "Collins",
    "Sanchez",
    "Rogers",
    "Richardson",
    "Ramirez",
    "Kim",
    "Gonzalez",
    "Bennett",
    "Gutierrez",
    "Fernandez",
    "Hughes",
    "Jenkins",
    "Stevens",
    "Simpson",
]
RARE_FIRST = [
    "Thandiwe",
    "Ylva",
    "Bartholomew",
    "Oksana",
    "Quincy",
    "Saoirse",
    "Ignatius",
    "Zelda",
    "Kwame",
    "Marisol",
]
RARE_LAST = [
    "Abernathy",
    "Okonkwo",
    "Vandermeer",
    "Featherstone",
    "Kaczmarek",
    "Lindgren",
    "Mbeki",
    "Papadopoulos",
    "Whitlock",
    "Yamaguchi",
]
STREETS = [
    "Maple",
    "Oak",
    "Cedar",
    "Washington",
    "Lakeview",
    "Elm",
    "Sunset",
    "Highland",
    "Pine",
    "Willow",
    "Church",
    "Chestnut",
    "Jefferson",
    "Walnut",
]
ENDS = ["Street", "St", "Avenue", "Ave", "Road", "Rd", "Boulevard", "Blvd", "Lane", "Ln"]
TOWNS = (
    ("Springfield", "IL"),
    ("Portland", "OR"),
    ("Austin", "TX"),
    ("Salt Lake City", "UT"),
    ("Madison", "WI"),
)
CN_LAST = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗"
CN_FIRST = [
    "伟",
    "芳",
    "秀英",
    "敏",
    "静",
    "丽",
    "强",
    "磊",
    "军",
    "洋",
    "建国",
    "志强",
    "晓梅",
    "雨桐",
    "子轩",
    "浩然",
    "欣怡",
    "美玲",
    "文博",
    "海燕",
    "国庆",
    "思远",
    "佳慧",
    "俊杰",
]
CN_RARE = [
    "欧阳锋",
    "司马光",
    "上官婉儿",
    "诸葛瑾",
    "慕容雪",
    "翟天临",
    "邢道荣",
    "郝思嘉",
    "龚自珍",
    "阎立本",
]
CN_PLACES = (
    "北京市朝阳区建国路",
    "上海市浦东新区世纪大道",
    "广东省深圳市南山区科技园路",
    "浙江省杭州市西湖区文三路",
    "成都市武侯区人民南路",
    "江苏省南京市鼓楼区中山北路",
)
CN_HOMES = ("阳光花园", "幸福小区", "万科城市花园", "翠湖公寓", "绿地世纪城小区", "和平新村")
MAIL = [
    "gmail.com",
    "yahoo.com",
    "outlook.com",
    "qq.com",
    "163.com",
    "example.org",
    "mail.co.uk",
    "corp.net",
    "uni-bonn.de",
    "icloud.com",
]


def planted(n: int, seed: int) -> list[Planted]:
    """Sentences that each hold one piece of personal data, of all kinds in turn."""
    chance = random.Random(seed)
    makers = (_email, _spelled, _phone, _chinese_phone, _card, _iban, _identity, _address, _chinese_address, _name,
              _chinese_name)  # fmt: skip
    return [makers[i % len(makers)](chance) for i in range(n)]


def _put(chance: random.Random, kind: str, said: str, templates: tuple[str, ...]) -> Planted:
    return Planted(chance.choice(templates).replace("{}", said), kind, said)


def wide(text: str) -> str:
    """ASCII in full width."""
    return "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in text)


def digits(chance: random.Random, n: int) -> str:
    return "".join(chance.choice("0123456789") for _ in range(n))


def _email(chance: random.Random) -> Planted:
    first, last = chance.choice(FIRST).lower(), chance.choice(LAST).lower()
    local = chance.choice(
        (
            f"{first}.{last}",
            f"{first[0]}{last}{chance.randrange(99)}",
            f"{last}_{first}",
            digits(chance, 9),
        )
    )
    said = f"{local}@{chance.choice(MAIL)}"
    if chance.random() < 0.1:
        said = wide(said)
    elif chance.random() < 0.1:
        said = said.replace("@", "\u200b@\u200b")
    return _put(chance, "email", said, (
        "Please send the invoice to {} today", "my mail is {}, thanks", "refund receipt -> {}", "contact {} about the cordless drill",
        "我的邮箱是{}谢谢", "发票发到{}，麻烦了", "red dress size M {}", "({})",
    ))  # fmt: skip


def _spelled(chance: random.Random) -> Planted:
    first, last = chance.choice(FIRST).lower(), chance.choice(LAST).lower()
    host, end = chance.choice(
        (
            ("gmail", "com"),
            ("yahoo", "com"),
            ("mail", "com"),
            ("outlook", "com"),
            ("company", "org"),
        )
    )
    said = chance.choice((
        f"{first}{chance.randrange(10, 99)} at {host} dot {end}", f"{first}.{last}(at){host}.{end}", f"{first} [at] {host} [dot] {end}",
        f"{first}_{last} AT {host} DOT {end}", f"{first} dot {last} at gmail dot com", f"{first}{last} @ {host} . {end}",
        f"{digits(chance, 9)}艾特qq点com",
    ))  # fmt: skip
    return _put(
        chance,
        "email",
        said,
        (
            "Write me: {}",
            "email {} please",
            "you can reach me by mail, {}",
            "邮箱 {}",
            "my e-mail is {}",
        ),
    )


def _phone(chance: random.Random) -> Planted:
    area, mid, end = (
        f"{chance.randrange(2, 10)}{digits(chance, 2)}",
        f"{chance.randrange(2, 10)}{digits(chance, 2)}",
        digits(chance, 4),
    )
    said = chance.choice((
        f"({area}) {mid}-{end}", f"{area}-{mid}-{end}", f"{area}.{mid}.{end}", f"+1 {area} {mid} {end}", f"1-{area}-{mid}-{end}",
        f"+44 20 {chance.randrange(3000, 9999)} {end}", f"+49 30 {digits(chance, 7)}", f"+33 6 {' '.join(digits(chance, 2) for _ in range(4))}",
        f"+61 4{digits(chance, 2)} {digits(chance, 3)} {digits(chance, 3)}", f"0044 7700 {digits(chance, 6)}", wide(f"{area}-{mid}-{end}"),
    ))  # fmt: skip
    if chance.random() < 0.25:
        said = chance.choice(
            (
                f"{area}{mid}{end}",
                f"{area} {mid} {end}",
                f"07700 {digits(chance, 6)}",
                f"{mid}-{end}",
            )
        )
        return _put(
            chance,
            "phone",
            said,
            (
                "Call me at {}",
                "my cell is {}",
                "phone number: {}",
                "text me on {} when it ships",
                "tel. {}",
            ),
        )
    return _put(chance, "phone", said, (
        "Call me at {} after six", "{} is my number", "Ring {} before delivery", "contact phone {}", "gate code 12, {}, ask at the door",
    ))  # fmt: skip


def _chinese_phone(chance: random.Random) -> Planted:
    number = f"1{chance.choice('3456789')}{digits(chance, 9)}"
    said = chance.choice((
        number, f"{number[:3]} {number[3:7]} {number[7:]}", f"{number[:3]}-{number[3:7]}-{number[7:]}", f"+86 {number}",
        f"+86-{number[:3]}-{number[3:7]}-{number[7:]}", wide(number), "".join("零一二三四五六七八九"[int(d)] for d in number),
        f"010-{chance.randrange(5, 9)}{digits(chance, 7)}", f"0755-{chance.randrange(2, 9)}{digits(chance, 7)}",
        f"(021){chance.randrange(5, 7)}{digits(chance, 7)}",
    ))  # fmt: skip
    return _put(chance, "phone", said, (
        "我的手机是{}，送货前打电话", "联系电话：{}", "手机号{}", "有问题打{}找我", "{} 下午在家", "call {} please", "电话 {} 谢谢",
    ))  # fmt: skip


def _card(chance: random.Random) -> Planted:
    head, length = chance.choice(
        (
            ("4", 16),
            ("51", 16),
            ("55", 16),
            ("34", 15),
            ("37", 15),
            ("6011", 16),
            ("62", 16),
            ("62", 19),
            ("2221", 16),
        )
    )
    body = head + digits(chance, length - len(head) - 1)
    total = sum(
        (2 * int(d) - 9 * (int(d) > 4)) if i % 2 == 0 else int(d)
        for i, d in enumerate(reversed(body))
    )
    number = body + str(-total % 10)
    cuts = (0, 4, 10, 15) if length == 15 else range(0, length + 4, 4)
    parts = [number[i:j] for i, j in itertools.pairwise(cuts)]
    said = chance.choice((number, " ".join(parts), "-".join(parts), wide(number)))
    return _put(
        chance,
        "card",
        said,
        (
            "charged to my card {}",
            "Visa {} was declined",
            "银行卡号{}",
            "{} exp 09/27",
            "pay with {}",
            "卡号：{} 退款",
        ),
    )


def _iban(chance: random.Random) -> Planted:
    country, length = chance.choice(
        (("DE", 22), ("FR", 27), ("NL", 18), ("GB", 22), ("ES", 24), ("CH", 21), ("IT", 27))
    )
    body = digits(chance, length - 4)
    if country in ("NL", "GB"):
        body = "ABNA" + body[4:]
    spelled = "".join(str(ord(c) - 55) if c.isalpha() else c for c in body + country + "00")
    number = f"{country}{98 - int(spelled) % 97:02d}{body}"
    said = chance.choice(
        (number, " ".join(number[i : i + 4] for i in range(0, length, 4)), number.lower())
    )
    return _put(
        chance,
        "iban",
        said,
        ("refund to {} please", "IBAN {}", "my account is {}, thank you", "退款账户 {}", "({})"),
    )


def _identity(chance: random.Random) -> Planted:
    body = (
        f"{chance.choice(('110105', '310101', '440305', '510107', '330106'))}{chance.randrange(1940, 2015)}"
        f"{chance.randrange(1, 13):02d}{chance.randrange(1, 29):02d}{digits(chance, 3)}"
    )
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    number = body + "10X98765432"[sum(w * int(d) for w, d in zip(weights, body, strict=True)) % 11]
    said = chance.choice(
        (number, f"{number[:6]} {number[6:14]} {number[14:]}", wide(number), number.lower())
    )
    return _put(
        chance,
        "id",
        said,
        (
            "身份证{}",
            "证件号码：{}，请核对",
            "ID card number {}",
            "我的身份证号是{}谢谢",
            "海关清关用 {}",
        ),
    )


def _address(chance: random.Random) -> Planted:
    number, street, end = chance.randrange(1, 9999), chance.choice(STREETS), chance.choice(ENDS)
    town, state = chance.choice(TOWNS)
    said = chance.choice((
        f"{number} {street} {end}", f"{number} N. {street} {end}", f"{number} {street} {end}, Apt {chance.randrange(1, 40)}",
        f"{number} {street} {end}, {town}, {state} {chance.randrange(10000, 99999)}", f"{number} {street} Drive, {town}, {state} {chance.randrange(10000, 99999)}",
        f"P.O. Box {number}", f"{chance.randrange(2, 99)}th Street".join((f"{number} ", "")), f"{number} {street} {end}".lower(),
    ))  # fmt: skip
    return _put(chance, "address", said, (
        "please ship to {}", "I live at {}", "deliver it to {}.", "my address is {}", "send the rug to {} thanks", "Our home: {}",
    ))  # fmt: skip


def _chinese_address(chance: random.Random) -> Planted:
    place, home = chance.choice(CN_PLACES), chance.choice(CN_HOMES)
    said = chance.choice((
        f"{place}{chance.randrange(1, 999)}号", f"{place}{chance.randrange(1, 999)}号{chance.randrange(1, 30)}栋{chance.randrange(100, 3000)}室",
        f"{home}{chance.randrange(1, 30)}号楼{chance.randrange(1, 6)}单元{chance.randrange(100, 3000)}", f"{place}{chance.randrange(1, 999)}弄{chance.randrange(1, 99)}号",
        f"{chance.choice(('张家', '李家', '石桥'))}镇{chance.choice(('东风', '红星'))}村{chance.randrange(1, 20)}组{chance.randrange(1, 99)}号",
        f"{place.split('路')[0]}{home}{chance.randrange(1, 30)}栋",
    ))  # fmt: skip
    return _put(
        chance,
        "address",
        said,
        ("收货地址：{}", "请送到{}，谢谢", "地址 {}", "我住{}", "寄到{} 放门口"),
    )


def _name(chance: random.Random) -> Planted:
    first, last = chance.choice(FIRST), chance.choice(LAST)
    if chance.random() < 0.3:
        first, last = chance.choice(RARE_FIRST), chance.choice(RARE_LAST)
        said = chance.choice((f"{first} {last}", f"{first} {last[0]}. {last}"))
        return _put(chance, "name", said, (
            "My name is {} and I ordered a lamp", "Name: {}", "Attn: {}", "name on the card: {}", "Mr. {} signed for it", "Recipient: {}",
            "Kind regards,\n{}", "Dear {}, your parcel is here", "c/o {}",
        ))  # fmt: skip
    said = chance.choice(
        (
            f"{first} {last}",
            f"{first} {chance.choice('ABCDEF')}. {last}",
            f"{first} {last}".lower(),
            f"{first} {last}".upper(),
        )
    )
    return _put(chance, "name", said, (
        "this is {} calling about the drill", "deliver to {}", "{} ordered two lamps", "I gave it to {}", "reviewed by {}", "gift card for {}",
        "my neighbour {} has one", "the parcel of {} is lost",
    ))  # fmt: skip


def _chinese_name(chance: random.Random) -> Planted:
    said = chance.choice(CN_LAST) + chance.choice(CN_FIRST)
    if chance.random() < 0.25:
        said = chance.choice(CN_RARE)
    elif chance.random() < 0.2:
        said = said[0] + chance.choice(("先生", "女士", "小姐"))
        return _put(chance, "name", said, ("{}您好", "请联系{}", "{}，您的快递到了", "给{}"))
    return _put(chance, "name", said, (
        "收件人：{}", "我叫{}，昨天买的", "联系人{} 下午收货", "姓名：{}", "请交给{}", "收货人是{}，谢谢", "持卡人{}", "会员{}您好",
        f"{{}} 1{chance.choice('3589')}{digits(chance, 9)}",
    ))  # fmt: skip


HARMLESS = (
    "Calvin Klein men's cotton stretch boxer brief 3 pack", "Tommy Hilfiger polo shirt size L", "Michael Kors Jet Set tote",
    "Ralph Lauren blue eau de toilette 125 ml", "Martha Stewart Living 8 ft. artificial tree", "Kate Spade wallet", "Mr. Coffee 12-cup maker",
    "Dr. Martens 1460 boots", "Mrs. Meyer's clean day dish soap", "Dr. Bronner's castile soap 32 oz", "John Frieda frizz ease serum",
    "Elizabeth Arden green tea", "Hunter Green exterior paint 1 gal", "Charlotte Gray sofa", "Austin Stone veneer", "Jordan Brown leather belt",
    "Jasmine White ceiling fan", "Olive Green towel", "Johnson & Johnson baby oil", "Ruby Rose lipstick", "Victoria Black vanity", "Savannah Gray bench",
    "王老吉凉茶 310ml*24罐", "李宁跑步鞋男 42码", "周大福黄金手链", "方太油烟机", "康师傅红烧牛肉面", "高跟鞋女 37码", "金色小姐姐手机壳", "白色连衣裙 均码",
    "适合任何女士的羽绒服", "马丁靴男 英伦风", "黄金项链女", "何首乌洗发水", "万能充电器", "路由器 千兆双频 5号", "5号电池 20节", "充电线2米 3号线",
    "3号楼梯灯", "老街口瓜子 500g", "四川道路 3号口红", "街舞鞋 38号", "系统 5.1 surround", "Order now and save 20% on 1000+ items", "18 Piece Impact Drive Set",
    "4 Light Way Switch, 15 Amp", "6 Park Place Blue Throw Pillow Covers", "look at amazon dot com for more", "available only at homedepot.com",
    "Buy 2 get 1 at walmart dot com", "1/2 in. x 3/4 in. x 10 ft. PVC pipe", "iPhone 13 14 15 case", "24 7 365 support", "dear customer, thank you",
)  # fmt: skip


def harmless(n: int, seed: int) -> list[Planted]:
    """Sentences without personal data: numbers of things, prices, dates, sizes, brands that are names."""
    chance = random.Random(seed)
    return [Planted(_harmless(chance)) for _ in range(n)]


def _harmless(chance: random.Random) -> str:
    if chance.random() < 0.3:
        return chance.choice(HARMLESS)
    pick = chance.randrange
    return chance.choice((
        lambda: f"SKU {digits(chance, 10)} in stock", lambda: f"SKU {pick(1000, 9999)}-{digits(chance, 3)}-{digits(chance, 3)}",
        lambda: f"UPC {_trade(chance, 12)}", lambda: f"EAN {_trade(chance, 13)}", lambda: _trade(chance, 13), lambda: f"GTIN {_trade(chance, 14)}",
        lambda: f"ISBN 978-{pick(10)}-{digits(chance, 2)}-{digits(chance, 6)}-{pick(10)}", lambda: f"ISBN {_trade(chance, 13)}",
        lambda: f"model DCD{digits(chance, 3)}-C{pick(9)} drill", lambda: f"Bosch {pick(1000, 9999)}-{pick(10, 99)} router {pick(10, 60)} V",
        lambda: f"only ${pick(10, 9999)}.{digits(chance, 2)}, was ${pick(10, 9999)}.99", lambda: f"¥{pick(10, 99999)}.00 包邮",
        lambda: f"arrives 20{pick(10, 30)}-{pick(1, 13):02d}-{pick(1, 29):02d}", lambda: f"sale from {pick(1, 13)}/{pick(1, 29)}/20{pick(10, 30)}",
        lambda: f"20{pick(10, 27)}年{pick(1, 13)}月{pick(1, 29)}日发货", lambda: f"{pick(4, 12)} ft. x {pick(4, 12)} ft. x {pick(4, 12)} in. rug",
        lambda: f"{pick(100, 999)} x {pick(100, 999)} x {pick(1000, 2500)} mm wardrobe", lambda: f"{pick(32, 46)} {pick(32, 46)} {pick(32, 46)} {pick(32, 46)} 码",
        lambda: f"货号{digits(chance, 11)}", lambda: f"型号：1{chance.choice('358')}{digits(chance, 9)}", lambda: f"条码 69{digits(chance, 11)}",
        lambda: f"item number 1{chance.choice('358')}{digits(chance, 9)}", lambda: f"part no. {pick(200, 999)}-{pick(200, 999)}-{digits(chance, 4)}",
        lambda: f"mAh {pick(1000, 9999)} {pick(1000, 9999)} battery", lambda: f"{pick(2, 99)} piece street light set", lambda: f"{pick(10, 200)}克*{pick(2, 24)}袋",
        lambda: f"{pick(1, 50)}号口红", lambda: f"serial {digits(chance, 16)}", lambda: f"lot {digits(chance, 8)} of {pick(10, 999)}",
        lambda: f"{pick(100, 999)} {pick(100, 999)} {pick(100, 999)} lm bulbs", lambda: f"order {digits(chance, 12)} is late", lambda: f"订单号：{digits(chance, 16)}",
        lambda: f"tracking number 1Z{digits(chance, 16)}", lambda: f"{pick(110, 240)}-{pick(241, 480)} V, {pick(1, 9)},{digits(chance, 3)} RPM",
    ))()  # fmt: skip


def _trade(chance: random.Random, length: int) -> str:
    """A trade number with its check digit (GS1)."""
    body = digits(chance, length - 1)
    total = sum(int(d) * (3 if i % 2 == 0 else 1) for i, d in enumerate(reversed(body)))
    return body + str(-total % 10)


WRITTEN = (
    (
        "pls refund to my paypal jane.doe-77@hotmail.co.uk asap",
        "email",
        "jane.doe-77@hotmail.co.uk",
    ),
    ("EMAIL:PETE_LONG@AOL.COM", "email", "PETE_LONG@AOL.COM"),
    (
        "send it over to kate (dot) moss (at) gmail (dot) com",
        "email",
        "kate (dot) moss (at) gmail (dot) com",
    ),
    ("my email's tom.b at outlook.com", "email", "tom.b at outlook.com"),
    ("QQ邮箱123456789@qq.com", "email", "123456789@qq.com"),
    ("邮箱：zhangwei 艾特 163 点 com", "email", "zhangwei 艾特 163 点 com"),
    ("info: maria@exämple.de", "email", "maria@exämple.de"),
    ("Call or text 312.555.0187 anytime", "phone", "312.555.0187"),
    ("fax 212 555 0143", "phone", "212 555 0143"),
    ("my number's 6175550199 thx", "phone", "6175550199"),
    ("(0) 171 1234567 ist meine Handynummer +49 171 1234567", "phone", "+49 171 1234567"),
    ("UK mobile +44 (0)7911 123456", "phone", "+44 (0)7911 123456"),
    ("whatsapp: +91-98765-43210", "phone", "+91-98765-43210"),
    ("please ring me on 020 7946 0958", "phone", "020 7946 0958"),
    ("tel:+33.1.42.68.53.00", "phone", "+33.1.42.68.53.00"),
    ("电话是139 0013 8000哦", "phone", "139 0013 8000"),
    ("打我手机 1 3 9 0 0 1 3 8 0 0 0", "phone", "1 3 9 0 0 1 3 8 0 0 0"),
    ("联系方式 ０２１－６２３４５６７８", "phone", "０２１－６２３４５６７８"),
    ("客服让我留电话：一三九零零一三八零零零", "phone", "一三九零零一三八零零零"),
    ("座机 0571 8765 4321 转 802", "phone", "0571 8765 4321 转 802"),
    ("8613912345678 微信同号", "phone", "8613912345678"),
    ("mastercard 5500-0000-0000-0004 exp 1/29", "card", "5500-0000-0000-0004"),
    ("card no 340000000000009", "card", "340000000000009"),
    ("我的卡6011000000000004", "card", "6011000000000004"),
    ("IBAN: FR14 2004 1010 0505 0001 3M02 606", "iban", "FR14 2004 1010 0505 0001 3M02 606"),
    ("konto gb29nwbk60161331926819 bitte", "iban", "gb29nwbk60161331926819"),
    ("I'm at 221B Baker Street, London NW1 6XE", "address", "221B Baker Street, London NW1 6XE"),
    (
        "ship: 1600 Pennsylvania Ave NW, Washington, DC 20500",
        "address",
        "1600 Pennsylvania Ave NW, Washington, DC 20500",
    ),
    ("my house is 350 fifth avenue apt 21", "address", "350 fifth avenue apt 21"),
    ("mail to po box 4821, Reno, NV 89505", "address", "po box 4821, Reno, NV 89505"),
    (
        "We moved to 8 Rosewood Close, Bristol BS1 4DJ",
        "address",
        "8 Rosewood Close, Bristol BS1 4DJ",
    ),
    ("deliver: 99 E 52nd St, New York, NY 10022", "address", "99 E 52nd St, New York, NY 10022"),
    ("leave at 17 Kings Rd please", "address", "17 Kings Rd"),
    (
        "寄到杭州市余杭区五常街道西溪蝶园2期7幢1单元301",
        "address",
        "杭州市余杭区五常街道西溪蝶园2期7幢1单元301",
    ),
    ("地址：湖南省长沙市岳麓区麓山南路932号中南大学", "address", "湖南省长沙市岳麓区麓山南路932号"),
    (
        "上海市徐汇区漕溪北路18号实业大厦22楼B座",
        "address",
        "上海市徐汇区漕溪北路18号实业大厦22楼B座",
    ),
    ("深圳南山科技园北区朗山路7号", "address", "朗山路7号"),
    ("河南省信阳市固始县胡族铺镇李岗村", "address", "河南省信阳市固始县胡族铺镇李岗村"),
    ("Hi, I'm Rebecca Thornton and my lamp broke", "name", "Rebecca Thornton"),
    ("Regards, Oluwaseun Adeyemi", "name", "Oluwaseun Adeyemi"),
    ("order placed by Mr J. Hargreaves", "name", "J. Hargreaves"),
    ("the driver asked for Mrs. Kowalczyk", "name", "Kowalczyk"),
    ("please put the package under the name Stephen Walsh", "name", "Stephen Walsh"),
    ("ship to: Dolores Fuentes", "name", "Dolores Fuentes"),
    ("it was signed by D. Trotter", "name", "D. Trotter"),
    ("sarah jenkins here, where is my parcel", "name", "sarah jenkins"),
    ("Thanks,\nPriyanka", "name", "Priyanka"),
    ("customer name: LI, Xiaoming", "name", "LI, Xiaoming"),
    ("My husband Gareth ordered this", "name", "Gareth"),
    ("Zhang Xiaomei bought two", "name", "Zhang Xiaomei"),
    ("您好，我是王建国，想退货", "name", "王建国"),
    ("收货人 赵敏 电话13900138000", "name", "赵敏"),
    ("麻烦转告陈经理", "name", "陈经理"),
    ("孙女士来电投诉", "name", "孙女士"),
    ("我姓周，叫周文斌", "name", "周文斌"),
    ("姓名:欧阳娜娜", "name", "欧阳娜娜"),
    ("快递员李强说放门口了", "name", "李强"),
    ("给我妈妈张桂芳买的", "name", "张桂芳"),
)
"""Sentences as people write, with kind and what is in them; before rules saw them they found 48 of these 58"""

PLAIN = (
    "Makita 18V LXT XDT131 impact driver kit 3.0 Ah",
    "Model 2767-20 M18 FUEL",
    "UPC 045242359110",
    "Pack of 12, 8.5 x 11 in., 96 bright",
    "GE 60-watt 4-pack soft white",
    "6 ft. 2 in. ladder 225 lb. load",
    "2x4-96 in. #2 prime kiln-dried",
    "Size 7 8 9 10 11 12",
    "1080p 60Hz 16:9 3840 x 2160",
    "Free returns within 30 days, 24/7 chat",
    "Dimensions 120-240-360 mm",
    "batch 20240115-0042",
    "1-800 contacts lens solution",
    "Ben & Jerry's pint",
    "Levi Strauss 501 original fit",
    "Steve Madden boots women 8.5",
    "Donna Karan cashmere mist",
    "Jack Wolfskin jacket",
    "Ray-Ban Wayfarer RB2140 901",
    "Paul Smith wallet",
    "St. Ives apricot scrub",
    "Mary Jane shoes black",
    "Lazy Susan 18 in.",
    "Mason jar 32 oz",
    "Tiffany lamp style",
    "Jimmy Choo flash 100ml",
    "Roland piano 88 key",
    "Kelly green yarn",
    "Carolina blue hat",
    "Oliver Peoples glasses",
    "Charlie horse relief cream",
    "Dr. Squatch soap",
    "Mr. Lid 10 piece",
    "Mrs. Grass noodle soup",
    "Sherwin-Williams emerald paint",
    "Johnson Controls thermostat",
    "Allen wrench set",
    "Phillips screwdriver #2",
    "Stanley tape measure 25 ft.",
    "Martin guitar strings",
    "华为Mate60手机壳",
    "李宁韦德之道10",
    "安踏男鞋42.5",
    "白象方便面5连包",
    "花花公子男装",
    "杨梅罐头425g",
    "高露洁牙膏180g",
    "马克杯350ml",
    "金龙鱼菜籽油5L",
    "黄飞红花生",
    "路易十三洋酒",
    "江小白白酒100ml",
    "周黑鸭鸭脖",
    "张裕葡萄酒750ml",
    "南方黑芝麻糊",
    "许愿瓶20个",
    "陈醋500ml*6",
    "水路两用5号手电",
    "6号楼梯扶手配件",
    "3号色粉底液",
    "2023年新款12号上架",
    "订单满199减20",
    "型号：HR3201/05",
    "执行标准GB/T 18186-2000",
    "保质期540天",
    "1314520情侣手链",
    "520毫升保温杯",
    "门店地址见详情",
    "全国联保12个月",
    "适用1-2人",
)
"""Titles of goods, with brands and numbers"""
