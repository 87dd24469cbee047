"""The usual names of columns, events and files, English and Chinese, so that most exports need no map."""

from __future__ import annotations

import re
from collections.abc import Iterable

_USER = (
    "userid user customerid customer uid visitorid visitor householdid household memberid member buyerid buyer client "
    "clientid accountid account reviewerid shopperid userpseudoid customerno "
    "用户 用户id 用户编号 会员 会员id 客户 客户id 顾客 买家"
)
_SESSION = (
    "sessionid session usersession visitorsession visitid visit basketid basket orderid order cartid invoiceid invoice "
    "invoiceno cookie cookieid "
    "会话 会话id 订单 订单号 订单id"
)
_ITEM = (
    "itemid item productid product asin parentasin sku skuid goodsid goods articleid article productuid "
    "stockcode itemno 商品 商品id 商品编号 商品编码 产品 产品id 货号"
)
_TIME = (
    "timestamp time ts datetime date eventtime eventtimestamp eventdate unixtime createdat created purchasedate "
    "orderdate orderpurchasetimestamp invoicedate transactiontimestamp transactiondate tdat purchasedat orderedat "
    "occurredat 时间 日期 时间戳 下单时间 购买时间"
)
_QUERY = "query searchterm searchquery search keyword keywords querytext q 搜索词 查询 查询词 关键词 搜索"
_SEARCH = "searchid queryid searchrequestid 搜索id"

USUAL: dict[str, dict[str, str]] = {
    "items": {
        "item_id": _ITEM,
        "title": "title name productname producttitle prodname itemname itemtitle 标题 名称 商品名称 商品标题 产品名称",
        "description": "description productdescription detaildesc desc details text 描述 商品描述 详情",
        "category": "categories categorypath categorycode categoryname productcategory productcategoryname "
        "maincategory producttypename productgroupname departmentname department cat categoryid 类目 分类 类别 品类",
        "brand": "brand brandname productbrand manufacturer vendor maker 品牌",
        "price": "price unitprice listprice saleprice 价格 单价 售价",
        "image": "image imageurl imageurls img imgurl picture 图片",
        "launched_at": "launchedat launchdate launched releasedate availablesince 上架时间 上市时间",
    },
    "users": {"user_id": _USER},
    "events": {
        "user_id": _USER,
        "session_id": _SESSION,
        "item_id": _ITEM,
        "event": "eventname eventtype action behavior behaviour behaviortype behaviourtype 行为 事件 行为类型 操作",
        "time": _TIME,
        "position": "position slot 位置",
        "quantity": "quantity qty units 数量 购买数量",
        "value": "value revenue salesvalue sales amount linetotal total 金额 销售额 总价",
        "rating": "rating stars overall 评分 星级",
        "propensity": "propensity propensityscore",
        "search_id": _SEARCH,
    },
    "searches": {
        "search_id": _SEARCH,
        "user_id": _USER,
        "session_id": _SESSION,
        "query": _QUERY,
        "time": _TIME,
        "results": "results items itemids shown resultids 结果",
    },
    "judgments": {
        "query": _QUERY,
        "item_id": _ITEM,
        "grade": "grade relevance label judgment judgement relevancegrade relevancelabel 相关性 等级 标注",
        "source": "source rater annotator",
    },
    "dialogues": {
        "dialogue_id": "dialogueid dialogid conversationid 对话 对话id",
        "turn": "turn turnid turnnumber 轮次",
        "role": "role speaker 角色",
        "text": "text utterance message 内容 文本",
        "intent": "intent 意图",
        "item_id": _ITEM,
    },
}
"""Column names that are understood, by table and column; written without capitals, blanks and underscores."""

LOGGED = ("title", "brand", "category", "price", "description", "image")
"""Columns of items that a log may hold, a line for each event."""
NOT_LOGGED = {"name", "名称", "text", "details", "详情"}
"""Names of items' columns that in a log rather tell of a customer, a review or an event."""
REVIEW = {"text", "reviewtext", "review", "reviewbody", "reviewtitle", "comment", "summary", "评论"}
"""Where a log has one of these, a title, description or image is rather the review's."""

LATER = [
    "salesrank",
    "salesranking",
    "bestsellerrank",
    "bestsellersrank",
    "reviewcount",
    "reviewscount",
    "numreviews",
    "numberofreviews",
    "ratingcount",
    "ratingnumber",
    "ratingscount",
    "numratings",
    "averagerating",
    "avgrating",
    "meanrating",
    "popularity",
    "salescount",
    "soldcount",
    "unitssold",
    "销量",
    "评论数",
    "平均评分",
]
"""Columns of items that tell how an item fared, known only after the log: left out, or they would leak the future."""

EVENT_NAMES: dict[str, str] = {
    name: event
    for event, names in {
        "view_item_list": "impression impressions show shown exposure expose exposed viewitemlist 曝光 展示",
        "select_item": "click clicks clicked selectitem select 点击",
        "view_item": "view views viewed pv pageview detail detailview productview viewitem browse 浏览 查看 访问",
        "add_to_wishlist": "fav favorite favourite wishlist like addtowishlist collect 收藏 喜欢",
        "add_to_cart": "cart addtocart add basket addtobasket 加购 加购物车 加入购物车",
        "begin_checkout": "checkout begincheckout 结算 下单",
        "purchase": "purchase purchased buy bought transaction order ordered sale sold pay paid 购买 支付 成交",
        "search": "search searched query 搜索",
    }.items()
    for name in names.split()
}
"""Event by the usual names of events; written without capitals, blanks and underscores."""

FILES = {
    "items": "items item products product catalog catalogue meta metadata goods articles 商品 产品",
    "users": "users user customers customer demographics members 用户 会员",
    "events": "events event interactions ratings transactions clicks purchases orders reviews log behaviour "
    "behavior 行为 订单",
    "searches": "searches queries search 搜索",
    "judgments": "judgments judgements qrels labels relevance 标注",
    "dialogues": "dialogues conversations 对话",
}
"""Words in a file's name that tell the table."""
HAPPENING = {"session_id", "time", "event", "quantity"}
"""Columns that a list of items has not, whatever its name."""


def plain(name: str) -> str:
    """A name without capitals, blanks, underscores and signs."""
    return re.sub(r"[\W_]+", "", name).lower()


def recognise(table: str, columns: Iterable[str]) -> dict[str, str]:
    """Return source column by canonical column, for those of `columns` that `table` has under a usual name.

    Where several columns are names of one, the more usual name wins.
    """
    there: dict[str, str] = {}
    for column in columns:
        there.setdefault(plain(column), column)
    found: dict[str, str] = {}
    for canonical, names in USUAL[table].items():
        choice = next((there[n] for n in (plain(canonical), *names.split()) if n in there), None)
        if choice is not None and choice not in found.values():
            found[canonical] = choice
    return found


def of_items(columns: Iterable[str]) -> dict[str, str]:
    """Return source column by column of items for those of a log's `columns` that describe the item of each event.

    A description is the title where there is no other.
    """
    there = list(columns)
    usable = [c for c in there if plain(c) not in NOT_LOGGED]
    if any(plain(c) in REVIEW for c in there):
        usable = [
            c
            for c in usable
            if plain(c) not in ("title", "description", "image", "images", "标题", "描述", "图片")
        ]
    names = recognise("items", usable)
    found = {name: names[name] for name in LOGGED if name in names}
    if "title" not in found and "description" in found:
        found = {"title": found.pop("description"), **found}
    return found


def _is_named(file: str, table: str) -> bool:
    """Whether a file's whole name, its ending aside, is one of the names of `table`."""
    return plain(file.partition(".")[0]) in FILES[table].split()


def table_of(file: str, columns: list[str]) -> str | None:
    """Tell which table a file holds from its columns, and where they leave it open from its name; None if it is
    none."""
    words = set(re.split(r"[\W_\d]+", file.lower()))
    named = next((table for table, names in FILES.items() if words & set(names.split())), None)
    has = {table: set(recognise(table, columns)) for table in USUAL}
    fits = {
        "judgments": {"query", "item_id", "grade"} <= has["judgments"],
        "dialogues": {"dialogue_id", "turn", "role", "text"} <= has["dialogues"],
        "events": "item_id" in has["events"] and bool({"user_id", "session_id"} & has["events"]),
        "searches": "query" in has["searches"] and "item_id" not in has["events"],
        "items": "item_id" in has["items"],
        "users": "user_id" in has["users"] and "item_id" not in has["items"],
    }
    guess = next((table for table, fit in fits.items() if fit), None)
    if (
        guess == "events"
        and named == "items"
        and (has["events"] & HAPPENING or not _is_named(file, "items"))
    ):
        return guess
    if guess is None and has["items"] == {"category"}:
        return None  # a list of categories
    if named and (fits[named] or (has[named] and guess in (None, "users", "searches"))):
        return named
    return guess
