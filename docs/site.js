// Wide tables scroll sideways: the keyboard has to reach them, too.
addEventListener("load", () => {
  for (const wrap of document.querySelectorAll(".md-typeset__scrollwrap")) {
    if (wrap.scrollWidth <= wrap.clientWidth) continue;
    wrap.tabIndex = 0;
    wrap.setAttribute("role", "region");
    const before = wrap.ownerDocument.evaluate("preceding::*[self::h1 or self::h2 or self::h3][1]", wrap, null, 9, null);
    wrap.setAttribute("aria-label", "Table: " + (before.singleNodeValue?.textContent ?? "").replace("¶", "").trim());
  }
});
