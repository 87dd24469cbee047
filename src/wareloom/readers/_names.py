"""The usual names of columns, events and files, so that most exports need no map."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterable, Mapping

from wareloom.readers._european import EUROPEAN

_USER = (
    "userid user customerid customer uid visitorid visitor householdid household memberid member buyerid buyer client "
    "clientid accountid account reviewerid shopperid shopper userpseudoid customerno "
    "customeruserid customeruser customernumber customernr customerkey customercode customerhash customeridhash "
    "customeruniqueid customeraccountid custid cust custno custkey custnum householdkey hhid hhkey personid person "
    "profileid contactid subscriberid loyaltyid loyaltycardid loyaltycard loyaltycardnumber cardid cardno cardnumber "
    "memberno memberkey membernumber buyerno clientno clientnumber clientkey userkey userno usernumber usercode "
    "userhash useridhash guestid patronid anonymousid domainuserid networkuserid fullvisitorid idvisitor visitoruid "
    "distinctid amplitudeid deviceid "
    "用户 用户id 用户编号 用户号 会员 会员id 会员号 会员编号 会员卡号 "
    "客户 客户id 客户编号 客户号 顾客 顾客id 买家 买家id 消费者id"
)
_SESSION = (
    "sessionid session usersession visitorsession visitid visit basketid basket orderid order cartid invoiceid invoice "
    "invoiceno cookie cookieid "
    "sessionno sessionkey sessionnumber domainsessionid gasessionid idvisit browsersession ordernumber orderno ordernr "
    "orderkey ordercode orderref orderreference ordername salesorderid salesid saleid purchaseid transactionid "
    "amazonorderid transactionno transactionnumber transid trxid txnid receiptid receiptno receiptnumber receipt "
    "ticketid ticketno "
    "ticket invoicenumber invoicenr basketno basketkey cartno carttoken checkoutid checkouttoken incrementid billno "
    "billid tripid 会话 会话id 订单 订单号 订单id 订单编号 交易号 交易id 小票号 流水号"
)
_ITEM = (
    "itemid item productid product asin parentasin sku skuid goodsid goods articleid article productuid "
    "stockcode itemno lineitemsku productsku itemsku variantsku variantid productvariantid productno productnumber "
    "productkey productcode productnr prodid itemnumber itemcode itemkey articleno articlenumber articlecode artno "
    "artnr stocknumber materialno materialnumber bookid isbn isbn13 isbn10 plu upc ean gtin barcode offerid listingid "
    "goodssn spuid docid documentid docno documentno doc passageid pid clickeditem clickeditemid clickedproduct "
    "clickedproductid clickedsku clickeddoc clickeddocid clickeddocument "
    "商品 商品id 商品编号 商品编码 商品代码 产品 产品id 产品编号 货号 条码 书号 物料编号"
)
_TIME = (
    "timestamp time ts datetime date eventtime eventtimestamp eventdate unixtime createdat created purchasedate "
    "orderdate orderpurchasetimestamp invoicedate transactiontimestamp transactiondate tdat purchasedat orderedat "
    "occurredat createdtime createtime creationdate creationtime datecreated orderdatetime ordertime ordertimestamp "
    "orderplacedat dateorder dateordered dateoforder placedat paidat processedat purchasetime purchasetimestamp "
    "purchasedatetime invoicetime invoicedatetime transactiondatetime transactiontime transactionts saledate saletime "
    "salesdate eventdatetime eventts eventat hittimestamp clienttimestamp servertimestamp servertime collectortstamp "
    "derivedtstamp dvcecreatedtstamp originaltimestamp sentat loggedat visittime visitdate viewedat addedat "
    "reviewtime unixreviewtime reviewdate ratingdate daydate "
    "时间 日期 时间戳 下单时间 购买时间 创建时间 支付时间 交易时间 交易日期 订单日期 下单日期"
)
TIMES = frozenset(_TIME.split()) | {"sentat", "发送时间"}
"""Names of a column of times"""
EMAILS = {
    "email", "emailaddress", "mail", "customeremail", "billingemail", "useremail", "buyeremail", "contactemail",
    "clientemail", "emailhash", "邮箱",
}  # fmt: skip
"""Names of a column of addresses: a user where no other column is, under a pseudonym."""
ORDERS = {"orderid", "ordernumber", "orderno", "salesorderid"}
"""Names of a column of orders beside which `item_id` is a line's number, where there is a product's, too"""
ANONYMOUS = {
    "anonymousid",
    "domainuserid",
    "networkuserid",
    "visitorid",
    "fullvisitorid",
    "deviceid",
    "amplitudeid",
}
"""Names of a column of visitors who may not be logged in"""
_QUERY = (
    "query searchterm searchquery search keyword keywords querytext q searchkeyword searchphrase querystring topic "
    "搜索词 查询 查询词 关键词 搜索 搜索关键词"
)
_SEARCH = "searchid queryid qid searchrequestid topicid 搜索id 查询id"

USUAL: dict[str, dict[str, str]] = {
    "items": {
        "item_id": _ITEM,
        "title": "title name productname producttitle prodname itemname itemtitle lineitemname goodsname articlename "
        "subcommoditydesc 标题 名称 商品名称 商品标题 产品名称 商品名 品名",
        "description": "description productdescription detaildesc desc details text body bodyhtml shortdescription "
        "描述 商品描述 详情",
        "category": "categories categorypath categorycode categoryname productcategory productcategoryname "
        "maincategory category1 producttypename producttype googleproductcategory productgroupname departmentname "
        "department itemcategory cat categoryid genre genres 类目 分类 类别 品类 类目id",
        "brand": "brand brandname brands productbrand itembrand manufacturer vendor maker 品牌 品牌名称",
        "price": "price unitprice listprice saleprice lineitemprice itemprice itemcost variantprice regularprice "
        "priceperunit productunitprice itemunitprice soldprice productprice sellingprice 价格 单价 售价",
        "image": "image imageurl imageurls imagelink imagesrc img imgurl picture images 图片",
        "launched_at": "launchedat launchdate launched releasedate availablesince 上架时间 上市时间",
    },
    "users": {"user_id": _USER},
    "events": {
        "user_id": _USER,
        "session_id": _SESSION,
        "item_id": _ITEM,
        "event": "eventname eventtype eventaction action behavior behaviour behaviortype behaviourtype "
        "行为 事件 行为类型 操作",
        "time": _TIME,
        "position": "position slot addtocartorder 位置",
        "quantity": "quantity qty units lineitemquantity quantityrefund qtyordered orderqty orderquantity productqty "
        "itemquantity quantitysold unitssold 数量 购买数量 件数",
        "value": "linetotal lineitemtotal orderlinetotal rowtotal linesubtotal itemtotal lineamount linevalue "
        "dollarsales productnetrevenue productrevenue itemrevenue "
        "value revenue salesvalue salesamount sales amount total 金额 销售额 总价 小计",
        "rating": "rating stars overall score starrating 评分 星级",
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
        "grade": "grade relevance label judgment judgement relevancegrade relevancelabel escilabel rel relevancescore "
        "relevancejudgment rating score gain 相关性 等级 标注 相关度",
        "source": "source rater annotator",
    },
    "dialogues": {
        "dialogue_id": "dialogueid dialogid conversationid dialogue conversation chatid chat threadid ticketid "
        "sessionid 对话 对话id 会话 会话id 会话编号",
        "turn": "turn turnid turnnumber turnindex turnno messageindex seq 轮次 序号",
        "role": "role speaker sender senderrole sendertype speakerrole author from 角色 发送方 发送人 发言人 身份",
        "text": "text utterance message content body msg messagetext 内容 文本 消息 消息内容",
        "intent": "intent 意图",
        "item_id": _ITEM,
        "act": "act dialogueact 行为",
        "slots": "slots entities 槽位",
        "language": "language lang 语言",
        "order_id": "orderid ordernumber 订单号 订单编号",
        "facts": "facts",
        "outcome": "outcome result 结果",
    },
}
"""Column names that are understood, by table and column; written without capitals, blanks and underscores."""
for _columns in USUAL.values():
    _columns.update({c: f"{_columns[c]} {names}" for c, names in EUROPEAN.items() if c in _columns})

HISTORIES = {
    "history", "items", "itemids", "itemidlist", "itemlist", "itemsequence", "itemseq", "sequence", "historyitemids",
    "itemhistory", "historyitems", "clickeditems", "basket", "baskets", "productids", "productlist", "articleids",
    "skus", "goodslist", "hist", "商品列表",
}  # fmt: skip
"""Names of a column that holds all items of a session or user, one behind the other"""
LOGGED = ("title", "brand", "category", "price", "description", "image")
"""Columns of items that a log may hold, a line for each event."""
NOT_LOGGED = {"name", "名称", "text", "details", "详情"}
"""Names of items' columns that in a log rather tell of a customer, a review or an event."""
WAY_OF_SALE = {"producttype", "description", "text", "details"}
"""Names of items' columns that in the lines of Magento's orders tell nothing of the product"""
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
        "view_item_list": "impression impressions show shown exposure expose exposed viewitemlist productlistviewed "
        "listview 曝光 展示",
        "select_item": "click clicks clicked selectitem select productclicked productclick itemclick 点击",
        "view_item": "view views viewed pv pageview detail detailview productview productviewed productdetailview "
        "viewitem viewproduct browse ecommerceproductdetailview 浏览 查看 访问",
        "add_to_wishlist": "fav favorite favourite wishlist like addtowishlist productaddedtowishlist collect "
        "收藏 喜欢",
        "add_to_cart": "cart addtocart add basket addtobasket productadded cartadd 加购 加购物车 加入购物车",
        "begin_checkout": "checkout begincheckout checkoutstarted initiatecheckout 结算 下单",
        "purchase": "purchase purchased buy bought transaction order ordered sale sold pay paid ordercompleted "
        "orderplaced placedorder checkoutcompleted ecommerceorder 购买 支付 成交",
        "search": "search searched query productssearched viewsearchresults sitesearch 搜索",
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
    "dialogues": "dialogues conversations chats 对话 会话",
}
"""Words in a file's name that tell the table."""
_TITLES = {"title", "name", "productname", "producttitle", "itemname", "标题", "名称", "商品名称"}
_GOODS = {
    "price", "saleprice", "regularprice", "link", "availability", "brand", "gtin", "producttype", "category",
    "categories", "imagelink", "sku", "description", "价格", "类目", "品牌",
}  # fmt: skip
_PEOPLE = {
    "age", "gender", "birthday", "birthdate", "city", "country", "zip", "postalcode", "firstname", "email",
}  # fmt: skip
_KEYS = {
    "items": set(_ITEM.split())
    - {"sku", "gtin", "ean", "upc", "barcode", "isbn", "isbn13", "isbn10", "item", "product"},
    "users": set(_USER.split()),
}
"""Words by whose company a column `id` is an item's or a user's, and names that go before it."""
HAPPENING = {"session_id", "time", "event", "quantity"}
"""Columns that a list of items has not, whatever its name."""


@functools.lru_cache(maxsize=100_000)
def plain(name: str) -> str:
    """A name without capitals, blanks, underscores, signs and the type that RecBole writes behind it."""
    return re.sub(r"[\W_]+", "", re.sub(r":(token|float)(_seq)?$", "", name)).lower()


def recognise(table: str, columns: Iterable[str]) -> dict[str, str]:
    """Return source column by canonical column, for those of `columns` that `table` has under a usual name.

    Where several columns are names of one, the more usual name wins. Names that only some exports give a meaning
    (`Name` of Shopify's orders, `item_id` of Magento's lines) are in `_by_company`; an address is a user where no
    other column is.
    """
    there: dict[str, str] = {}
    for column in columns:
        there.setdefault(plain(column), column)
    own = _by_company(table, there)
    found: dict[str, str] = {}
    for canonical, names in USUAL[table].items():
        if canonical in own:
            if own[canonical]:
                found[canonical] = own[canonical]
            continue
        choice = next((there[n] for n in (plain(canonical), *names.split()) if n in there), None)
        if choice is None and canonical == "user_id":
            choice = next((there[n] for n in there if n in EMAILS), None)
        if choice is not None and choice not in found.values():
            found[canonical] = choice
    return found


def _by_company(table: str, there: Mapping[str, str]) -> dict[str, str]:
    """What a column means in the company of others, by canonical column; "" where it has no meaning."""
    own: dict[str, str] = {}
    if table in ("events", "items") and is_line_id("itemid", there):
        own["item_id"] = there.get("productid") or there.get("sku", "")
    if table == "events" and {"amazonorderid", "itemprice"} <= set(there):
        own["value"] = there["itemprice"]
    if table == "events" and {"lineitemname", "name"} <= set(there):
        own["session_id"] = there["name"]
    if table in ("items", "users") and "id" in there and not (_KEYS[table] & set(there)):
        if table == "items" and set(there) & _GOODS and set(there) & _TITLES:
            own["item_id"] = there["id"]
        if table == "users" and set(there) & _PEOPLE and not set(there) & _GOODS:
            own["user_id"] = there["id"]
    if table == "items" and {"handle", "variantsku"} <= set(there):
        own["item_id"] = there["variantsku"]
    return own


def is_line_id(name: str, there: Collection[str]) -> bool:
    """Whether `item_id` is the number of an order's line and not of a product, as in Magento's and WooCommerce's."""
    return (
        name == "itemid"
        and "itemid" in there
        and bool({"productid", "sku"} & set(there))
        and (
            bool({"parentitemid", "qtyordered", "orderitemid", "rowtotal"} & set(there))
            or ("productid" in there and bool(ORDERS & set(there)))
        )
    )


def of_items(columns: Iterable[str], beside: Iterable[str] = ()) -> dict[str, str]:
    """Return source column by column of items for those of a log's `columns` that describe the item of each event.

    `beside` are all columns of the file, where `columns` are not. A description is the title where there is no other.
    """
    there = list(columns)
    words = {plain(c) for c in (*there, *beside)}
    # In the lines of Magento's orders `name` is the product's, and `product_type` is how it is sold.
    lines = is_line_id("itemid", words)
    usable = [c for c in there if plain(c) not in (WAY_OF_SALE if lines else NOT_LOGGED)]
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
    listed = any(plain(c) in HISTORIES for c in columns)
    fits = {
        "judgments": {"query", "item_id", "grade"} <= has["judgments"],
        "dialogues": {"dialogue_id", "role", "text"} <= has["dialogues"]
        and ("turn" in has["dialogues"] or any(plain(c) in TIMES for c in columns)),
        "events": bool({"user_id", "session_id"} & has["events"])
        and ("item_id" in has["events"] or (listed and "query" not in has["searches"])),
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
    if guess == "items" and named == "events" and has["events"] & HAPPENING:
        return "events"  # A log that lacks its users, which is said
    if guess is None and has["items"] == {"category"}:
        return None  # a list of categories
    if named and (fits[named] or (has[named] and guess in (None, "users", "searches"))):
        return named
    return guess


def logged_ids(files: Mapping[str, list[str]]) -> dict[str, set[str]]:
    """Plain names of the columns that logs have for users and items, by column of ids."""
    used: dict[str, set[str]] = {}
    for name, columns in files.items():
        if table_of(name, columns) == "events":
            found = recognise("events", columns)
            for key in ("user_id", "item_id"):
                if key in found:
                    used.setdefault(key, set()).add(plain(found[key]))
    return used


COLUMNS = {"id", *(word for names in USUAL.values() for n in names.values() for word in n.split())}
COLUMNS |= {plain(column) for names in USUAL.values() for column in names}
"""All names of columns that are known"""
KEYS = {"id", "event"} | {
    word
    for column in ("user_id", "item_id", "time", "query")
    for word in (USUAL["events"] | USUAL["judgments"])[column].split()
}
"""Names of columns that a record has, and what is around records has not"""
