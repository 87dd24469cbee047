"use strict";
const at = (id) => document.getElementById(id);
const session = "page-" + crypto.randomUUID();
let next = "";

async function call(method, path, body) {
  const asked = { method, headers: { "content-type": "application/json" } };
  if (body) asked.body = JSON.stringify(body);
  const answer = await fetch(path, asked);
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return told;
}

function element(kind, text, name) {
  const made = document.createElement(kind);
  if (text) made.textContent = text;
  if (name) made.className = name;
  return made;
}

function button(text, label, act) {
  const made = element("button", text);
  made.type = "button";
  made.setAttribute("aria-label", label);
  made.addEventListener("click", act);
  return made;
}

function hit(one, request) {
  const row = element("li");
  const title = one.title || one.item_id;
  row.append(element("div", title, "title"));
  const facts = [one.brand, one.price === undefined ? null : one.price.toFixed(2), one.item_id];
  row.append(element("div", facts.filter(Boolean).join(" · "), "sub"));
  const why = element("ul", "", "why");
  why.lang = at("language").value;
  for (const part of (one.why || []).slice(0, 3)) why.append(element("li", part.sentence));
  row.append(why);
  const acts = element("div", "", "acts");
  acts.append(button("Look", "Look at " + title, () => did("view_item", one, request)));
  acts.append(button("Buy", "Buy " + title, () => did("purchase", one, request)));
  acts.append(button("Hide", "Hide " + title, () => did("hide", one, request)));
  row.append(acts);
  return row;
}

async function did(event, one, request) {
  const told = { id: crypto.randomUUID(), event, item_id: one.item_id, session_id: session, request };
  if (at("shopper").value) told.user_id = at("shopper").value;
  try {
    await call("POST", "/events", { events: [told] });
    at("none").hidden = true;
    at("did").prepend(element("li", event + ": " + (one.title || one.item_id)));
    await show();
  } catch (error) { fail(error); }
}

async function show(page) {
  const query = at("query").value.trim();
  const asked = { slot: at("slot").value, session, query, k: 12, explain: true, language: at("language").value };
  if (at("shopper").value) asked.user = at("shopper").value;
  if (page) asked.page = page;
  try {
    const told = await call("POST", query ? "/search" : "/recommend", asked);
    const hits = told.hits.map((one) => hit(one, told.request));
    if (page) at("hits").append(...hits); else at("hits").replaceChildren(...hits);
    next = told.page || "";
    at("more").hidden = !next || !told.hits.length;
    const notes = [at("hits").children.length + " items", "version " + told.version];
    if (told.unproved) notes.push("unproved");
    if (told.degraded) notes.push("left out: " + told.degraded.join(", "));
    at("state").className = told.unproved || told.degraded ? "warn" : "";
    at("state").textContent = notes.join(" · ");
  } catch (error) { fail(error); }
}

function fail(error) {
  at("state").className = "warn";
  at("state").textContent = error.message;
}

at("search").addEventListener("submit", (event) => { event.preventDefault(); show(); });
at("more").addEventListener("click", () => show(next));
for (const id of ["shopper", "slot", "language"]) at(id).addEventListener("change", () => show());
call("GET", "/slots").then((slots) => {
  for (const name of Object.keys(slots)) at("slot").append(element("option", name));
  return show();
}).catch(fail);
