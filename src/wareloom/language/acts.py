"""What turns do: acts of customers and agents, told from labels or from words, and what a request is about."""

from __future__ import annotations

import re

REQUEST = "request"
CUSTOMER_ACTS = (
    "greet",
    REQUEST,
    "provide",
    "confirm",
    "reject",
    "thank",
    "bye",
    "offtopic",
    "complain",
)
"""What a customer's turn does"""
_LABELS = tuple(
    (act, re.compile(form, re.IGNORECASE))
    for act, form in (
        ("bye", r"closing|\bbye|goodbye|farewell"),
        ("greet", r"greet|^hello$|^hi$|opening"),
        ("thank", r"thank"),
        ("reject", r"reject|^no$|deny|negat|disagree"),
        ("confirm", r"confirm|affirm|^yes$|agree"),
        ("offtopic", r"out.?of.?(domain|scope)|off.?topic|chit.?chat|fallback"),
        ("provide", r"content.?only|provide|^inform$|give.?(info|detail)"),
        ("complain", r"complain|angry|dissatisf"),
    )
)
_WORDS = {
    "en": (
        ("reject", r"^\W*(no|nope|nothing|not now|never ?mind)\b.{0,24}$"),
        ("thank", r"\b(thanks?|thank you|thx|tq|appreciate)\b"),
        ("bye", r"^\W*(bye|goodbye|see you|have a (nice|great|good))"),
        ("greet", r"^\W*(hi|hello|hey|hai|good (morning|afternoon|evening))\b.{0,12}$"),
        ("confirm", r"^\W*(yes|yeah|yep|ok|okay|sure|fine|correct|right|alright|please do)\b.{0,24}$"),
        ("complain", r"\b(terrible|horrible|worst|ridiculous|unacceptable|angry|disappointed|scam)\b"),
        ("provide", r"^\W*(\S+\s+){0,5}[A-Za-z-]*\d[\w-]*\W*$"),
    ),
    "zh": (
        ("thank", r"谢谢|多谢|感谢|辛苦了"),
        ("bye", r"^(再见|拜拜|88)\W*$"),
        ("greet", r"^(你好|您好|亲|在|在不|有人|hi|hello|客服)[\W啊呀的吗么]*$"),
        ("complain", r"投诉|差评|垃圾|骗|什么态度|太慢|无语|坑"),
        (REQUEST, r"[吗呢么?？]|怎么|什么时候|为什么|多久|几天|退货|退款|换货|取消|发票|改地址|发货|价保|降价|催"),
        ("provide", r"\[ORDERID_\d+\]|^\W*\[数字x\]\W*$|订单号"),
        ("reject", r"^(没有了?|没了|不用了?|不需要了?|不要了?|不行|没|算了)[\W啊呀的]*$"),
        ("confirm", r"^(好的?|嗯+|恩+|是的?|对的?|可以的?|行|哦+|ok|知道了|明白了?|好吧|没问题)[\W啊呀呢]*$"),
    ),
}  # fmt: skip
_SAID = {
    language: tuple((act, re.compile(form, re.IGNORECASE)) for act, form in forms)
    for language, forms in _WORDS.items()
}
_GOALS = tuple(
    (goal, re.compile(form, re.IGNORECASE))
    for goal, form in (
        (
            "policy.cancellation_fee",
            r"cancell?ation.?(fee|policy)|(fee|cost).?of.?cancel|取消.{0,6}(收费|费用)",
        ),
        (
            "policy.refund",
            r"refund.?policy|return.?policy|money.?back.?policy|几天.{0,4}(退|换)"
            r"|(能|可以)(无理由)?退.{0,3}(吗|么)",
        ),
        (
            "refund",
            r"track.?refund|refund.?status|退款.{0,8}(到账|多久|什么时候|进度|时候)"
            r"|(多久|什么时候).{0,8}退款|钱.{0,6}(没|多久)",
        ),
        ("cancel", r"cancel|stop.?order|取消|不要了"),
        ("return", r"return|refund|退货|退款|换货|退换|返修"),
        (
            "address",
            r"(chang|edit|updat|set.?up).{0,6}.?(shipping|delivery)?.?address"
            r"|(改|换|写错).{0,4}地址|地址.{0,6}(改|错)",
        ),
        ("change", r"change.?order|edit.?order|modify|updat.{0,3}.?order|改.{0,3}(数量|订单)|多买"),
        (
            "track",
            r"track|order.?status|\beta\b|where.?is|delivery.?period|到哪|什么时候.{0,6}(到|发货|送)"
            r"|多久.{0,6}(到|发货)|物流|快递|还没(到|发)|没收到|催|发货",
        ),
        ("policy.shipping", r"delivery.?option|shipping|delivery|运费|邮费|包邮"),
        # Of a payment that failed no policy speaks: it is passed on.
        (
            "other",
            r"payment.{0,3}(issue|problem|error|fail)|(issue|problem|error)s? with (my |the )?payment|(付款|支付)失败",
        ),
        ("policy.payment", r"payment|\bpay|付款|支付|微信|支付宝"),
        ("policy.warranty", r"warranty|guarantee|保修|质保"),
        ("policy.hours", r"customer.?service|opening.?hours|上班|几点"),
        ("invoice", r"invoice|\bbill|receipt|发票"),
        ("price", r"price|cost|promotion|价格|多少钱|价保|降价|便宜|优惠|保价"),
        ("human", r"human|agent|operator|representative|人工|转.{0,3}客服"),
        ("complain", r"complain|claim|投诉"),
    )
)
GOALS = frozenset(goal for goal, _ in _GOALS)
OTHER = "other"
"""A request that no rule of the shop decides: it is passed on"""
NEEDS_ORDER = frozenset({"cancel", "return", "refund", "address", "change", "track", "invoice"})
"""Goals that an agent cannot serve without the number of the order"""
_AGENT = {
    "zh": (
        ("ask_order", r"(提供|发|麻烦|告诉).{0,8}订单(号|编号)?|订单号.{0,6}(提供|多少|发)"),
        ("ask_more", r"还有.{0,6}(其他|别的|什么|可以帮)"),
        ("close", r"(祝您|再见|期待.{0,6}(再次|为您)|感谢您的支持)"),
        ("thank", r"不客气|客气了"),
        ("ask_goal", r"(什么|啥).{0,6}(可以)?帮(到|助|您)|为您服务|描述.{0,4}问题"),
        ("apologise", r"抱歉|不好意思|见谅|对不起"),
    ),
    "en": (
        ("ask_order", r"\b(order|reference) (number|id)\b.*\?"),
        ("ask_more", r"\b(anything|something) else\b.*\?"),
        ("close", r"\b(have a (nice|great|good)|good ?bye)\b"),
        ("thank", r"\b(you'?re|you are) welcome\b|\bmy pleasure\b"),
        ("ask_goal", r"\b(how (can|may) (i|we) (help|assist)|what can i do)\b"),
        ("apologise", r"\b(sorry|apologi[sz]e)\b"),
    ),
}
_SAID_BY_AGENTS = {
    language: tuple((act, re.compile(form, re.IGNORECASE)) for act, form in forms)
    for language, forms in _AGENT.items()
}


def act_of_label(label: str) -> str:
    """Return the act that a log's intent stands for; what is no act of its own is a request."""
    return next((act for act, form in _LABELS if form.search(label)), REQUEST)


def act_of_words(text: str, language: str) -> str | None:
    """Return the act of a customer's words where no label tells; None where they tell nothing."""
    return next((act for act, form in _SAID[language] if form.search(text)), None)


_FACTUAL = {
    "zh": re.compile(
        "发票|签收|发货|退款|退货|换货|取消|物流|快递|商品|配送|库房|到货|赠品|优惠|截图|京东|点击|评价|已经|小时|分钟"
    ),
    "en": re.compile(
        r"\b(refund|return|cancel|ship|deliver|invoice|price|within|hours?|days?|sent|been)",
        re.IGNORECASE,
    ),
}
"""Words of sentences that may say a fact"""


def agent_act(text: str, language: str) -> str | None:
    """Return the act of an agent's words, of those that say no facts; None for all others."""
    if _FACTUAL[language].search(text):
        return None
    return next((act for act, form in _SAID_BY_AGENTS[language] if form.search(text)), None)


def goal_of(label: str, text: str = "") -> str:
    """Return what a request is about, by its label, else by its words."""
    if label in GOALS:
        return label
    for said in (label, text):
        if said and (found := next((goal for goal, form in _GOALS if form.search(said)), None)):
            return found
    return OTHER
