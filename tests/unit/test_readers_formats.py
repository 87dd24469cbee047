"""Each known source format, on a tiny file written by hand in that format."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import zipfile
from pathlib import Path

import polars as pl
import pytest

from wareloom.errors import SettingError, SourceError
from wareloom.readers import find, read
from wareloom.shop import Shop


def make(folder: Path, files: dict[str, str], encoding: str = "utf-8") -> Path:
    """Write files; a name that ends in .gz is packed."""
    folder = folder / "in"
    folder.mkdir()
    for name, text in files.items():
        data = text.encode(encoding)
        (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder


def taken(source: Path | str, name: str, to: Path, **options: object) -> tuple[Shop, dict]:
    """Read, see that the format is found by itself, and return the shop and what was told."""
    assert find(str(source)).__module__.endswith(f".{name}")
    shop = read(source, to=to / "shop", **options)  # type: ignore[arg-type]
    return shop, json.loads((to / "shop" / "read.json").read_text())


def lines(*records: dict) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def columns(shop: Shop, table: str, *names: str) -> list[tuple]:
    return shop.table(table).select(names).rows()


def test_amazon_2014(tmp_path: Path) -> None:
    reviews = lines(
        {
            "reviewerID": "R1",
            "asin": "B1",
            "overall": 5.0,
            "unixReviewTime": 1400000000,
            "reviewText": "x",
        },
        {
            "reviewerID": "R2",
            "asin": "B1",
            "overall": 2.0,
            "unixReviewTime": 1400000100,
            "helpful": [0, 1],
        },
    )
    meta = "{'asin': 'B1', 'title': \"Nail's\", 'price': 9.99, 'salesRank': {'Beauty': 5}, "
    meta += "'categories': [['Beauty', 'Nails']], 'brand': 'X'}\n"
    source = make(
        tmp_path,
        {
            "reviews_Beauty_5.json.gz": reviews,
            "meta_Beauty.json.gz": meta,
            "meta_Toys.json.gz": meta,
        },
    )
    shop, told = taken(source / "reviews_Beauty_5.json.gz", "amazon", tmp_path)
    assert columns(shop, "items", "item_id", "title", "price", "category") == [
        ("B1", "Nail's", 9.99, ["Beauty", "Nails"])
    ]
    assert columns(shop, "events", "user_id", "event", "rating") == [
        ("R1", "purchase", 5.0),
        ("R2", "purchase", 2.0),
    ]
    assert shop.table("events")["time"][0] == dt.datetime(2014, 5, 13, 16, 53, 20)
    assert told["left_out"] == {"meta_Beauty.json": ["salesRank"]}


def test_amazon_2018(tmp_path: Path) -> None:
    review = {
        "reviewerID": "R1",
        "asin": "B1",
        "overall": 5.0,
        "unixReviewTime": 1500000000,
        "verified": True,
    }
    metas = [
        {
            "asin": "B1",
            "title": "A",
            "category": ["Beauty", "Hair"],
            "description": ["one", "two"],
            "price": "$5.99 - $12.99",
            "rank": "1",
        },
        {
            "asin": "B2",
            "title": "B",
            "category": [],
            "price": ".a-box-inner{}",
            "also_buy": ["B1"],
            "feature": ["soft", "red"],
        },
    ]
    source = make(tmp_path, {"Beauty.json": lines(review), "meta_Beauty.json": lines(*metas)})
    shop, told = taken(source, "amazon", tmp_path)
    rows = columns(shop, "items", "category", "description", "price")
    assert rows == [(["Beauty", "Hair"], "one two", 5.99), ([], None, None)]
    assert shop.table("events")["context"][0].to_list() == [{"name": "verified", "value": "true"}]
    assert told["skipped"] == {"prices without a number": 1}


def test_amazon_2023(tmp_path: Path) -> None:
    review = {
        "rating": 4.0,
        "user_id": "U",
        "asin": "B9",
        "parent_asin": "B1",
        "timestamp": 1600000000123,
        "verified_purchase": False,
    }
    meta = {
        "main_category": "All Beauty",
        "title": "T",
        "average_rating": 4.8,
        "rating_number": 10,
        "price": 12.5,
        "images": [{"large": "u"}],
    }
    meta |= {
        "store": "S",
        "categories": [],
        "details": {"Color": "Red"},
        "parent_asin": "B1",
        "features": [],
    }
    source = make(
        tmp_path, {"All_Beauty.jsonl": lines(review), "meta_All_Beauty.jsonl": lines(meta)}
    )
    shop, told = taken(source, "amazon", tmp_path)
    assert columns(shop, "items", "item_id", "brand", "category", "price") == [
        ("B1", "S", ["All Beauty"], 12.5)
    ]
    assert columns(shop, "events", "item_id", "rating") == [("B1", 4.0)]
    assert shop.table("events")["time"][0] == dt.datetime(2020, 9, 13, 12, 26, 40, 123000)
    assert told["left_out"] == {"meta_All_Beauty.jsonl": ["average_rating", "rating_number"]}


def test_movielens_100k(tmp_path: Path) -> None:
    item = (
        "1|Léon (1994)|01-Jan-1995||http://x|"
        + "|".join("1" if n in (1, 8) else "0" for n in range(19))
        + "\n"
    )
    files = {
        "u.data": "196\t1\t3\t881250949\n",
        "u.item": item,
        "u.user": "196|49|M|writer|55105\n",
    }
    shop, _ = taken(make(tmp_path, files, "latin-1"), "movielens", tmp_path)
    assert columns(shop, "items", "title", "category") == [("Léon (1994)", ["Action", "Drama"])]
    assert shop.table("items")["launched_at"][0] == dt.datetime(1995, 1, 1)
    assert shop.table("users")["attributes"][0].to_list()[0] == {"name": "age", "value": "49"}
    assert columns(shop, "events", "user_id", "item_id", "rating") == [("196", "1", 3.0)]


def test_movielens_1m_in_its_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "ml-1m.zip", "w") as archive:
        archive.writestr("ml-1m/ratings.dat", "1::10::5::978300760\n2::11::4::978300761\n")
        archive.writestr(
            "ml-1m/movies.dat",
            '10::Día, a\t"film" (1995)::Animation|Comedy\n11::B::Drama\n'.encode("latin-1"),
        )
        archive.writestr("ml-1m/users.dat", "1::F::1::10::48067\n")
    shop, told = taken(tmp_path / "ml-1m.zip", "movielens", tmp_path)
    assert columns(shop, "items", "title", "category")[0] == (
        'Día, a\t"film" (1995)',
        ["Animation", "Comedy"],
    )
    assert shop.table("events")["time"][0] == dt.datetime(2000, 12, 31, 22, 12, 40)
    assert told["derived"] == {"users": 1}


def test_movielens_20m(tmp_path: Path) -> None:
    ratings = "userId,movieId,rating,timestamp\n1,2,3.5,1112486027\n"
    movies = (
        'movieId,title,genres\n2,"Jumanji, the (1995)",Adventure|Children\n3,C,(no genres listed)\n'
    )
    shop, _ = taken(
        make(tmp_path, {"ratings.csv": ratings, "movies.csv": movies}), "movielens", tmp_path
    )
    assert columns(shop, "items", "title", "category") == [
        ("Jumanji, the (1995)", ["Adventure", "Children"]),
        ("C", None),
    ]
    assert columns(shop, "events", "rating") == [(3.5,)]


def test_retailrocket(tmp_path: Path) -> None:
    files = {
        "events.csv": "timestamp,visitorid,event,itemid,transactionid\n1433221332117,257597,view,1,\n"
        "1433224214164,992329,addtocart,2,\n1433224214165,992329,transaction,2,4000\n",
        "item_properties_part1.csv": "timestamp,itemid,property,value\n"
        "1435460400000,1,categoryid,30\n1431226800000,1,888,x\n",
        "item_properties_part2.csv": "timestamp,itemid,property,value\n1431226800000,1,categoryid,20\n",
        "category_tree.csv": "categoryid,parentid\n20,10\n10,\n30,20\n",
    }
    shop, told = taken(make(tmp_path, files), "retailrocket", tmp_path)
    assert shop.table("events")["event"].to_list() == ["view_item", "add_to_cart", "purchase"]
    assert columns(shop, "items", "item_id", "category") == [("1", ["10", "20"]), ("2", None)]
    assert shop.table("events")["time"][0] == dt.datetime(2015, 6, 2, 5, 2, 12, 117000)
    assert told["not_recognised"] == {"events.csv": ["transactionid"]}


def test_yoochoose_as_it_came(tmp_path: Path) -> None:
    files = {
        "yoochoose-buys.dat": "420374,2014-04-06T18:44:58.314Z,214537888,12462,2\n",
        "yoochoose-clicks.dat": "1,2014-04-07T10:51:09.277Z,214536502,0\n1,2014-04-07T10:54:09.868Z,214536500,S\n",
    }
    shop, _ = taken(make(tmp_path, files), "yoochoose", tmp_path)
    assert shop.table("events")["event"].to_list() == ["view_item", "view_item", "purchase"]
    assert shop.table("events")["value"].to_list() == [None, None, 24924.0]
    assert shop.table("events")["time"][0] == dt.datetime(2014, 4, 7, 10, 51, 9, 277000)


def test_yoochoose_processed_reads_the_training_part_once_and_first(tmp_path: Path) -> None:
    head = "SessionId\tItemId\tTime\n"
    files = {
        f"clicks_{part}.txt": f"{head}{n}\t9\t1396860669.277\n"
        for n, part in enumerate(("test", "train_full", "train_tr"))
    }
    shop, _ = taken(make(tmp_path, files), "yoochoose", tmp_path)
    assert shop.table("events")["session_id"].to_list() == ["1", "0"]
    assert shop.table("events")["time"][0] == dt.datetime(2014, 4, 7, 8, 51, 9, 277000)


def test_taobao(tmp_path: Path) -> None:
    rows = "1,22,7,pv,1511544070\n1,22,8,fav,1511561733\n1,33,7,cart,1511572885\n2,33,7,buy,1511593493\n"
    shop, _ = taken(make(tmp_path, {"UserBehavior.csv.gz": rows}), "taobao", tmp_path)
    assert shop.table("events")["event"].to_list() == [
        "view_item",
        "add_to_wishlist",
        "add_to_cart",
        "purchase",
    ]
    assert columns(shop, "items", "item_id", "category") == [("22", ["7"]), ("33", ["7"])]


def test_homedepot(tmp_path: Path) -> None:
    files = {
        "train.csv": '"id","product_uid","product_title","search_term","relevance"\n'
        '2,100001,"Angle, 90°","angle bracket",3\n'
        '3,100001,"Angle, 90°","l bracket",2.33\n9,100002,"Deck","deck over",1\n',
        "product_descriptions.csv": '"product_uid","product_description"\n100001,"Not only"\n',
        "attributes.csv": '"product_uid","name","value"\n100001,"MFG Brand Name","Simpson"\n100001,"Color","red"\n',
    }
    shop, _ = taken(make(tmp_path, files, "latin-1"), "homedepot", tmp_path)
    assert shop.table("judgments")["grade"].to_list() == pytest.approx([3.0, 1.995, 0.0])
    first = shop.table("items").row(0, named=True)
    assert (first["title"], first["description"], first["brand"]) == (
        "Angle, 90°",
        "Not only",
        "Simpson",
    )
    assert first["attributes"] == [{"name": "Color", "value": "red"}]


def test_wands(tmp_path: Path) -> None:
    files = {
        "product.csv": "product_id\tproduct_name\tproduct_class\tcategory hierarchy\t"
        "product_description\tproduct_features\t"
        "rating_count\taverage_rating\treview_count\n"
        '0\tsolid bed\tBeds\tFurniture / Beds\t"good, deep"\twood : oak\t15\t4.5\t15\n',
        "query.csv": "query_id\tquery\tquery_class\n0\tsalon chair\tChairs\n",
        "label.csv": "id\tquery_id\tproduct_id\tlabel\n0\t0\t0\tExact\n1\t0\t0\tPartial\n2\t0\t0\tIrrelevant\n",
    }
    shop, told = taken(make(tmp_path, files), "wands", tmp_path)
    assert columns(shop, "judgments", "query", "grade") == [
        ("salon chair", 3.0),
        ("salon chair", 1.5),
        ("salon chair", 0.0),
    ]
    assert columns(shop, "items", "title", "category", "description") == [
        ("solid bed", ["Furniture", "Beds"], "good, deep")
    ]
    assert told["left_out"] == {"product.csv": ["rating_count", "average_rating", "review_count"]}


def test_esci(tmp_path: Path) -> None:
    source = make(tmp_path, {})
    examples = pl.DataFrame(
        {
            "query": list("abcde"),
            "product_id": ["1", "2", "3", "4", "1"],
            "esci_label": list("ESCIE"),
        }
    )
    examples = examples.with_columns(product_locale=pl.Series(["us"] * 4 + ["jp"]))
    products = pl.DataFrame(
        {
            "product_id": ["1", "2", "3", "4", "5", "1"],
            "product_title": list("ABCDEF"),
            "product_brand": ["x"] * 6,
        }
    )
    products = products.with_columns(product_locale=pl.Series(["us"] * 5 + ["jp"]))
    examples.write_parquet(source / "shopping_queries_dataset_examples.parquet")
    products.write_parquet(source / "shopping_queries_dataset_products.parquet")
    shop, _ = taken(source, "esci", tmp_path)
    assert shop.table("judgments")["grade"].to_list() == [3.0, 2.0, 1.0, 0.0]
    assert shop.table("items")["title"].to_list() == list("ABCD")
    both = read(source, to=tmp_path / "all", settings={"locale": "all"})
    assert both.table("items")["item_id"].to_list() == ["us:1", "us:2", "us:3", "us:4", "jp:1"]
    with pytest.raises(SettingError, match=r"locale='uk' is not known.*'us'"):
        read(source, to=tmp_path / "none", settings={"locale": "uk"})


def test_completejourney(tmp_path: Path) -> None:
    source = make(tmp_path, {})
    bought = {
        "household_id": [900, 901],
        "basket_id": [31, 32],
        "product_id": [1, 77],
        "quantity": [2, 1],
        "sales_value": [0.5, 1.0],
    }
    when = pl.Series([dt.datetime(2017, 1, 1, 11, 53, 26)] * 2, dtype=pl.Datetime("ns"))
    pl.DataFrame(bought).with_columns(transaction_timestamp=when, week=1).write_parquet(
        source / "transactions.parquet"
    )
    product = {
        "product_id": 1,
        "manufacturer_id": 2,
        "department": "GROCERY",
        "brand": "National",
        "product_category": "ICE",
    }
    product |= {"product_type": "ICE - CRUSHED", "package_size": "22 LB"}
    pl.DataFrame([product]).write_parquet(source / "products.parquet")
    pl.DataFrame({"household_id": [900], "age": ["65+"]}).write_parquet(
        source / "demographics.parquet"
    )
    shop, told = taken(source, "completejourney", tmp_path)
    assert columns(shop, "items", "title", "category") == [
        ("ICE - CRUSHED 22 LB", ["GROCERY", "ICE", "ICE - CRUSHED"])
    ]
    assert columns(shop, "events", "user_id", "session_id", "item_id", "value") == [
        ("900", "31", "1", 0.5)
    ]
    assert told["tables"]["events"]["rejected"] == {"item_id: not in the table items": 1}
    (source / "products.parquet").unlink()
    with pytest.raises(
        SourceError,
        match=r"lacks products.parquet; it has demographics.parquet, transactions.parquet",
    ):
        read(source, to=tmp_path / "none", as_="completejourney")


def test_open_bandit(tmp_path: Path) -> None:
    log = ",timestamp,item_id,position,click,propensity_score,user_feature_0,user-item_affinity_0\n"
    log += "0,2019-11-24 00:00:18.004101+00:00,5,3,0,0.0125,81ce,0.0\n1,2019-11-24 00:00:19+00:00,6,1,1,0.0125,,1.0\n"
    source = make(
        tmp_path,
        {"all.csv": log, "item_context.csv": ",item_id,item_feature_0\n0,5,-0.4\n1,6,0.2\n"},
    )
    shop, _ = taken(source, "open_bandit", tmp_path)
    rows = columns(shop, "events", "session_id", "item_id", "event", "position", "propensity")
    assert [row[2] for row in rows] == ["view_item_list", "view_item_list", "select_item"]
    assert rows[1][0] == rows[2][0] != rows[0][0]
    assert rows[0][3:] == (3, 0.0125)
    assert shop.table("events")["context"].to_list() == [
        [{"name": "user_feature_0", "value": "81ce"}],
        None,
        None,
    ]
    assert shop.table("items")["attributes"][0].to_list() == [
        {"name": "item_feature_0", "value": "-0.4"}
    ]


def test_ga4(tmp_path: Path) -> None:
    def record(name: str, items: list[dict], **params: object) -> dict:
        made = [
            {"key": k, "value": {"string_value" if isinstance(v, str) else "int_value": str(v)}}
            for k, v in params.items()
        ]
        return {
            "event_name": name,
            "event_timestamp": "1609459200000000",
            "user_pseudo_id": "P.1",
            "event_params": made,
            "items": items,
        }

    mug = {
        "item_id": "G1",
        "item_name": "Mug",
        "item_brand": "Google",
        "item_category": "Home",
        "item_category2": "Kitchen",
    }
    log = lines(
        record("page_view", [], ga_session_id=7),
        record("view_search_results", [], ga_session_id=7, search_term="mug"),
        record(
            "view_item_list",
            [mug | {"item_list_index": "1"}, {"item_id": "G2", "item_list_index": "2"}],
            ga_session_id=7,
        ),
        record("purchase", [mug | {"price": 9.5, "quantity": "2"}], ga_session_id=7),
    )
    shop, told = taken(make(tmp_path, {"events_20210101.json": log}), "ga4", tmp_path)
    rows = columns(shop, "events", "session_id", "item_id", "event", "position", "value")
    assert [r[1:4] for r in rows] == [
        (None, "search", None), ("G1", "view_item_list", 1), ("G2", "view_item_list", 2), ("G1", "purchase", None)
    ]  # fmt: skip
    assert rows[3][0] == "P.1.7"
    assert rows[3][4] == 19.0
    assert shop.table("searches")["query"].to_list() == ["mug"]
    assert shop.table("events")["search_id"][0] == shop.table("searches")["search_id"][0]
    assert columns(shop, "items", "item_id", "title", "category")[0] == (
        "G1",
        "Mug",
        ["Home", "Kitchen"],
    )
    assert told["skipped"] == {"event page_view": 1}
