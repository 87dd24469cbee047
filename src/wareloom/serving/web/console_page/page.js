"use strict";
const at = (id) => document.getElementById(id);
let token = "";

async function call(method, path, body) {
  const asked = { method, headers: {}, credentials: "same-origin" };
  if (method === "POST") {
    asked.headers["content-type"] = "application/json";
    asked.headers["x-csrf-token"] = token;
    asked.body = JSON.stringify(body || {});
  }
  const answer = await fetch(path, asked);
  const told = await answer.json();
  if (!answer.ok) {
    const error = new Error(told.error);
    error.status = answer.status;
    throw error;
  }
  return told;
}

function element(kind, text, name) {
  const made = document.createElement(kind);
  if (text !== undefined) made.textContent = text;
  if (name) made.className = name;
  return made;
}

function say(text, warns) {
  at("state").className = warns ? "warn" : "";
  at("state").textContent = text;
}

function whole(number) { return Math.round(number).toLocaleString("en"); }
function time(text) { return text.slice(0, 19).replace("T", " ") + " UTC"; }

function past(changes) {
  const made = element("details");
  made.append(element("summary", "What was live"));
  const wide = element("div", undefined, "wide");
  const table = element("table");
  const head = element("tr");
  for (const name of ["since (UTC)", "version", "by"]) {
    const cell = element("th", name);
    cell.scope = "col";
    head.append(cell);
  }
  table.append(head);
  for (const one of changes) {
    const row = element("tr");
    row.append(element("td", one.at.slice(0, 16).replace("T", " ")), element("td", one.live, "version"), element("td", one.by));
    table.append(row);
  }
  wide.append(table);
  made.append(wide);
  return made;
}

function slot(one) {
  const made = element("article");
  const head = element("div", undefined, "head");
  head.append(element("h3", one.slot));
  const back = element("button", "Roll back");
  back.type = "button";
  back.setAttribute("aria-label", "Roll back " + one.slot);
  back.disabled = new Set(one.history.map((change) => change.live)).size < 2;
  back.addEventListener("click", () => sure(back, one));
  head.append(back);
  made.append(head);
  made.append(element("p", one.live, "version"));
  made.append(element("p", one.ranker + ", " + whole(one.items) + " items, since " + time(one.history[0].at), "sub"));
  if (one.realtime) made.append(element("p", "Short sessions are written on by " + one.realtime + ".", "sub"));
  if (one.unproved) made.append(element("p", "No proof says that it does no harm.", "warn"));
  else if (one.proof) made.append(element("p", one.proof));
  made.append(past(one.history));
  return made;
}

function sure(button, one) {
  if (button.dataset.asked) { rollBack(one); return; }
  button.dataset.asked = "yes";
  button.textContent = "Really roll back?";
  setTimeout(() => { delete button.dataset.asked; button.textContent = "Roll back"; }, 5000);
}

async function rollBack(one) {
  try {
    const told = await call("POST", "/console/roll-back", { slot: one.slot, live: one.live });
    await show();
    say(one.slot + ": " + told.live + " is live again.");
  } catch (error) { fail(error); }
}

const COUNTS = {
  requests: "requests", events: "events", exposures: "items shown", sessions: "shoppers known",
  fallback: "left something out", busy: "sent away (429)", errors: "refused (4xx)", failures: "failed (5xx)",
};

function count(name, value) {
  const made = element("div");
  made.append(element("dt", name), element("dd", value));
  return made;
}

async function show() {
  const told = await call("GET", "/console/state");
  token = told.token;
  at("name").textContent = told.name;
  at("slots").replaceChildren(...told.slots.map(slot));
  const counts = Object.entries(COUNTS).map(([key, name]) => count(name, whole(told.counts[key] || 0)));
  const fresh = told.freshness_ms === null ? "–" : told.freshness_ms.toFixed(1) + " ms";
  const took = told.answer_ms === null ? "–" : told.answer_ms.toFixed(1) + " ms";
  at("counts").replaceChildren(count("event → visible", fresh), count("an answer takes", took), ...counts);
  shown(true);
}

function shown(signedIn) {
  at("sign-in").hidden = signedIn;
  at("console").hidden = !signedIn;
  at("who").hidden = !signedIn;
}

function fail(error) {
  if (error.status === 401) shown(false);
  say(error.message, true);
}

at("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await call("POST", "/console/sign-in", { name: at("person").value, password: at("password").value });
    at("password").value = "";
    say("");
    await show();
  } catch (error) { fail(error); }
});
at("out").addEventListener("click", async () => {
  try { await call("POST", "/console/sign-out"); token = ""; shown(false); say("Signed out."); } catch (error) { fail(error); }
});
at("refresh").addEventListener("click", () => show().then(() => say("")).catch(fail));
show().catch((error) => { shown(false); if (error.status !== 401) fail(error); });
