"""What a language model is shown so that it writes queries: kinds of query, and products nobody sells with theirs."""

KINDS = {
    "broad": "a short query of one to three words for this kind of product, without its brand",
    "specific": "a query of four to eight words for exactly this product",
    "attribute": "a query that names the kind of product and one or two properties, such as size, colour or material",
    "use": "a query that says what the product is to be used for, or for whom",
    "question": "a question that this product answers",
    "comparison": "a query that compares two kinds or makes of this product",
    "misspelt": "a short query typed in a hurry, with one spelling mistake",
}
"""What is asked for, by the kind of query"""
KINDS_ZH = {
    "broad": "一到三个词的简短搜索词，不含品牌",
    "specific": "正好找这件商品的较长搜索词",
    "attribute": "含商品种类和一两个属性的搜索词",
    "use": "说明用途或使用人群的搜索词",
    "question": "这件商品能回答的问题",
    "comparison": "比较两种同类商品的搜索词",
    "misspelt": "匆忙输入、有一个错字的简短搜索词",
}
MIX = {"broad": 0.3, "specific": 0.2, "attribute": 0.3, "use": 0.1, "misspelt": 0.1}
"""Shares of the kinds where nothing is said"""
EXAMPLES = {
    "Acme 36 in. W Walnut Floor Cabinet with Glass Doors": {
        "broad": "floor cabinet",
        "specific": "acme walnut floor cabinet glass doors",
        "attribute": "36 inch walnut cabinet",
        "use": "cabinet to show dishes",
        "question": "which cabinet fits a 36 inch wall",
        "comparison": "walnut vs oak floor cabinet",
        "misspelt": "walnut cabnet",
    },
    "Nordlys Trail Running Shoes for Women, Waterproof, Blue": {
        "broad": "running shoes",
        "specific": "nordlys womens waterproof trail running shoes",
        "attribute": "blue waterproof running shoes",
        "use": "shoes for muddy trails",
        "question": "what shoes keep my feet dry when running",
        "comparison": "trail vs road running shoes",
        "misspelt": "runing shoes women",
    },
    "Velour Moisturizing Hand Cream with Shea Butter 75 ml (2-Pack)": {
        "broad": "hand cream",
        "specific": "velour shea butter hand cream 75 ml",
        "attribute": "shea butter hand cream",
        "use": "cream for dry hands",
        "question": "what helps against cracked hands",
        "comparison": "shea butter or aloe hand cream",
        "misspelt": "hand creme moisturzing",
    },
}
EXAMPLES_ZH = {
    "花间语 2024春季新款 女士真丝连衣裙 红色 修身长袖": {
        "broad": "连衣裙",
        "specific": "花间语真丝长袖连衣裙女",
        "attribute": "红色真丝连衣裙",
        "use": "约会穿的裙子",
        "question": "春天穿什么裙子显瘦",
        "comparison": "真丝和雪纺连衣裙哪个好",
        "misspelt": "连衣群女",
    },
    "山野 户外双肩包 40L 大容量 防水登山包 男": {
        "broad": "登山包",
        "specific": "山野40L防水登山包男",
        "attribute": "大容量防水双肩包",
        "use": "徒步旅行背包",
        "question": "登山用多大的背包",
        "comparison": "40L和60L登山包",
        "misspelt": "双间包男",
    },
}
