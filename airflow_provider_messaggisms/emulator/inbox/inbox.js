// The inbox page: it requests the inbox once a second and shows it.
//
// The text of an SMS is untrusted. It is put on the page through textContent only, and the browser's policy refuses all
// else (cross_origin.py). The search is in the fragment of the page's address, behind the #: so it can be linked to and
// survives a reload, and a fragment never leaves the browser.

const PAUSE_MS = 1_000;
const PAUSE_IN_TROUBLE_MS = 2_500;
const LONGEST_PAUSE_MS = 10_000;
const RESTS = 10; // the pause is ten times as long as the request took: the page must not slow a test down
const TYPING_MS = 200;
const STEP = 50; // how many more SMS "Show more" shows
const MOST = 1_000;

const STATES = {
  PENDING_ACCEPTED: "accepted",
  PENDING_ENROUTE: "on its way to the operator",
  DELIVERED_TO_OPERATOR: "at the operator",
  DELIVERED_TO_HANDSET: "delivered",
  UNDELIVERABLE_NOT_DELIVERED: "undeliverable",
  EXPIRED_EXPIRED: "expired",
  REJECTED_NETWORK: "rejected",
};
const MARKS = { delivered: "✓", failed: "✕", waiting: "…", stuck: "!" };
const PREFIXES = { failed: "Failed: ", stuck: "Stuck: " };
const FILTERS = ["text", "outcome", "sender", "dag"];

const at = (id) => document.getElementById(id);
const inRome = (options) => new Intl.DateTimeFormat("en-GB", { timeZone: "Europe/Rome", ...options });
const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
const DAY = inRome({ day: "numeric", month: "short", year: "numeric" });
const TIME = inRome(CLOCK);
const EXACT_TIME = inRome({ ...CLOCK, fractionalSecondDigits: 3 });
const EURO = new Intl.NumberFormat("en-GB", { style: "currency", currency: "EUR", maximumFractionDigits: 4 });
const counted = (count, one, many) => `${count.toLocaleString("en-GB")} ${count === 1 ? one : many}`;

const shown = new Map(); // the SMS on the page, by key: element, content, outcome
let phone = ""; // the number whose phone is shown; empty in the inbox
let limit = STEP;
let matching = null; // how many SMS matched at the last request of the same view
let timer = 0;
let looking = new AbortController();

// --- requests to the emulator ------------------------------------------------------------------------------------

class EmulatorError extends Error {}

async function ask(method, path, body, signal) {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(path, { method, headers, body: JSON.stringify(body), signal });
  const content = await response.json();
  if (!response.ok) throw new EmulatorError(content.message);
  return content;
}

async function look() {
  clearTimeout(timer);
  looking.abort();
  const mine = (looking = new AbortController());
  const began = performance.now();
  let pause = PAUSE_MS;
  try {
    const found = await ask("POST", "/_emulator/inbox", { ...query(), limit }, mine.signal);
    showAccount(found);
    showFound(found);
    write(at("trouble"), "");
  } catch (error) {
    if (mine.signal.aborted) return; // a newer request has replaced this one
    write(at("trouble"), excuse(error));
    pause = PAUSE_IN_TROUBLE_MS;
  }
  pause = Math.min(Math.max(pause, RESTS * (performance.now() - began)), LONGEST_PAUSE_MS);
  timer = setTimeout(() => document.hidden || look(), pause);
}

async function act(method, path, body, said) {
  write(at("refused"), "");
  try {
    await ask(method, path, body);
    announce(said);
  } catch (error) {
    write(at("refused"), `Not done. ${excuse(error)}`);
  }
  await look();
}

function excuse(error) {
  return error instanceof EmulatorError ? `The emulator says: ${error.message}.` : "The emulator does not answer.";
}

function announce(text) {
  at("news").textContent = text;
}

// --- the search --------------------------------------------------------------------------------------------------

function query() {
  if (phone) return { number: phone };
  return Object.fromEntries(FILTERS.map((name) => [name, at(name).value]));
}

function readAddress() {
  const said = new URLSearchParams(location.hash.slice(1));
  const number = (said.get("phone") ?? "").replace(/^ /, "+"); // a + that was not encoded
  if (!number) {
    for (const name of FILTERS) choose(at(name), said.get(name) ?? "");
  } else if (!phone) {
    at("back").href = `#${filters()}`;
  }
  phone = number;
  startView();
}

function filters() {
  return new URLSearchParams(FILTERS.map((name) => [name, at(name).value]).filter(([, value]) => value));
}

function choose(field, value) {
  if (value && field.localName === "select" && ![...field.options].some((option) => option.value === value)) {
    if (field.id !== "outcome") field.add(new Option(value, value)); // its first SMS is not here yet
  }
  field.value = value;
}

function filter() {
  history.replaceState(null, "", `#${filters()}`);
  startView();
}

function startView() {
  limit = STEP;
  matching = null;
  at("filters").hidden = Boolean(phone);
  at("phone").hidden = !phone;
  at("owner").textContent = phone;
  at("everything").hidden = !String(filters());
  at("messages").classList.toggle("on-phone", Boolean(phone));
  if (phone) at("list").before(at("more"));
  else at("list").after(at("more"));
  look();
}

// --- the page ----------------------------------------------------------------------------------------------------

function showAccount({ now, speed, credit, token }) {
  at("credit").textContent = EURO.format(credit);
  at("now").textContent = `${DAY.format(new Date(now))}, ${TIME.format(new Date(now))}`;
  at("now").dateTime = now;
  at("pace").textContent = { 0: "moved by hand", 1: "real time" }[speed] ?? `${speed} times as fast`;
  at("advance").hidden = speed !== 0;
  at("chosen").hidden = token !== null;
  const bearer = token ?? "TOKEN";
  const hello = { sender: "Airflow", body: "Hello!", recipients: "+39-3491234567" };
  const connection = { conn_type: "messaggisms", host: location.origin, password: bearer };
  const sending = `-H 'Authorization: Bearer ${bearer}' -d '${JSON.stringify(hello)}'`;
  write(at("curl"), `curl ${sending} ${location.origin}/messages/`);
  write(at("connection"), `export AIRFLOW_CONN_MESSAGGISMS_DEFAULT='${JSON.stringify(connection)}'`);
}

function showFound(found) {
  const wasAtEnd = matching === null || innerHeight + scrollY > document.documentElement.scrollHeight - 80;
  const failures = showList(phone ? found.sms.toReversed() : found.sms, found.now, found.speed);
  showChoices(at("sender"), found.senders);
  showChoices(at("dag"), found.dags);
  showCounts(found);
  if (phone && wasAtEnd && matching !== found.matching) at("list").lastElementChild?.scrollIntoView({ block: "nearest" });
  if (matching !== null) tellNews(found, failures);
  matching = found.matching;
}

function showList(messages, now, speed) {
  let failures = 0;
  const wanted = new Map(messages.map((sms) => [`${sms.message_id} ${sms.index}`, sms]));
  const place = dropAllBut(wanted);
  let next = at("list").firstElementChild;
  for (const [key, sms] of wanted) {
    const content = JSON.stringify([sms, speed]);
    let entry = shown.get(key);
    if (!entry) shown.set(key, (entry = { element: at("sms").content.firstElementChild.cloneNode(true) }));
    if (entry.content !== content) fill(entry.element, sms, now, speed);
    if (entry.outcome !== sms.outcome && sms.outcome === "failed") failures += 1;
    Object.assign(entry, { content, outcome: sms.outcome });
    if (entry.element === next) next = next.nextElementSibling;
    else at("list").insertBefore(entry.element, next);
  }
  if (place !== null) (at("list").children[place] ?? at("messages")).focus();
  return failures;
}

// Returns the place of a removed SMS that had the focus, so that the SMS that takes its place gets it.
function dropAllBut(wanted) {
  let place = null;
  for (const [key, { element }] of shown) {
    if (wanted.has(key)) continue;
    if (element.contains(document.activeElement)) place = [...at("list").children].indexOf(element);
    element.remove();
    shown.delete(key);
  }
  return place;
}

function fill(element, sms, now, speed) {
  const part = (name) => element.querySelector(`[data-is=${name}]`);
  const began = new Date(sms.history[0].at);
  const [day, time] = [DAY.format(began), TIME.format(began)];
  element.dataset.outcome = sms.outcome;
  write(part("number"), sms.number).href = `#${new URLSearchParams({ phone: sms.number })}`;
  write(part("sender"), sms.sender);
  write(part("time"), day === DAY.format(new Date(now)) ? time : `${day}, ${time}`).dateTime = sms.history[0].at;
  write(part("mark"), MARKS[sms.outcome]);
  write(part("state"), (PREFIXES[sms.outcome] ?? "") + (STATES[sms.state] ?? sms.state));
  write(part("text"), sms.text);
  const size = [counted(sms.parts, "part", "parts"), sms.encoding, EURO.format(sms.price_eur)];
  write(part("size"), [...size, ...(sms.flash ? ["flash"] : [])].join(" · "));
  write(part("origin"), origin(sms.airflow));
  write(part("id"), `Message ${sms.message_id}, recipient ${sms.index}`);
  part("history").replaceChildren(...sms.history.map(step));
  offerToDecide(element.querySelector(".decide"), element, sms, speed);
}

function offerToDecide(group, element, sms, speed) {
  const offered = sms.outcome === "stuck" || (sms.outcome === "waiting" && speed === 0);
  if (!offered && group.contains(document.activeElement)) element.focus();
  group.hidden = !offered;
  group.setAttribute("aria-label", `Decide the state of the SMS to ${sms.number}`);
  for (const button of group.querySelectorAll("button")) {
    const decision = { message_id: sms.message_id, number: sms.number, state: button.dataset.state };
    button.onclick = () => act("POST", "/_emulator/decide", decision, `SMS to ${sms.number}: ${button.textContent}`);
  }
}

function step({ state, at: instant }) {
  const item = document.createElement("li");
  const [time, name] = [document.createElement("time"), document.createElement("code")];
  time.textContent = EXACT_TIME.format(new Date(instant));
  time.dateTime = instant;
  name.textContent = state;
  item.append(time, ` ${STATES[state] ?? ""} `, name);
  return item;
}

function origin(airflow) {
  if (!airflow) return "";
  const { dag_id: dag, task_id: task, map_index: index, run_id: run } = airflow;
  const said = [["DAG", dag], ["task", task], ["map index", index >= 0 ? index : undefined], ["run", run]];
  return said.filter(([, value]) => value !== undefined).map((pair) => pair.join(" ")).join(" · ");
}

function showChoices(select, values) {
  const chosen = select.value;
  const known = [...select.options].slice(1).map((option) => option.value);
  const all = !chosen || values.includes(chosen) ? values : [chosen, ...values];
  if (String(known) === String(all)) return;
  select.replaceChildren(select.options[0], ...all.map((value) => new Option(value, value)));
  select.value = chosen;
}

function showCounts({ sms, matching: all, total, held }) {
  const filtered = !phone && String(filters());
  let text = counted(all, "SMS", "SMS");
  if (filtered) text = `${counted(all, "SMS matches", "SMS match")}, of ${total.toLocaleString("en-GB")}`;
  if (sms.length < all) text += `. The newest ${sms.length} are shown`;
  if (sms.length >= MOST) text += "; search to find older ones";
  write(at("count"), `${text}.`);
  const parts = [
    [held.open, counted(held.open, "transaction is open", "transactions are open")],
    [held.scheduled, counted(held.scheduled, "message waits for its day", "messages wait for their day")],
    [held.tests, counted(held.tests, "message was a test", "messages were tests")],
  ].filter(([count]) => count).map(([, words]) => words);
  at("held").hidden = Boolean(phone) || !parts.length;
  write(at("held"), `At the gateway, on no phone: ${parts.join(", ")}.`);
  at("list").hidden = !sms.length;
  at("count").hidden = !phone && !total;
  at("empty").hidden = Boolean(phone) || total > 0;
  at("more").hidden = sms.length >= all || sms.length >= MOST;
}

function tellNews(found, failures) {
  const fresh = found.matching - matching;
  const news = [];
  if (fresh === 1) news.push(`New SMS to ${found.sms[0].number} from ${found.sms[0].sender}: ${found.sms[0].text}`);
  if (fresh > 1) news.push(counted(fresh, "", "new SMS"));
  if (failures) news.push(counted(failures, "SMS failed", "SMS failed"));
  if (news.length) announce(news.join(". "));
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
  return element;
}

// --- the controls ------------------------------------------------------------------------------------------------

let typing = 0;
at("text").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(filter, TYPING_MS);
});
for (const name of ["outcome", "sender", "dag"]) at(name).addEventListener("change", filter);
at("filters").addEventListener("submit", (event) => event.preventDefault());
at("everything").addEventListener("click", () => {
  at("filters").reset();
  at("text").focus();
  filter();
});
at("more").addEventListener("click", () => {
  limit = Math.min(limit + STEP, MOST);
  look();
});
at("clear").addEventListener("click", () => {
  at("question").returnValue = "";
  at("question").showModal();
});
at("question").addEventListener("close", () => {
  if (at("question").returnValue === "yes") act("DELETE", "/_emulator/inbox", undefined, "The inbox is empty.");
});
for (const button of document.querySelectorAll("[data-seconds]")) {
  const said = `Clock moved: ${button.textContent}`;
  const body = { seconds: Number(button.dataset.seconds) };
  button.addEventListener("click", () => act("POST", "/_emulator/advance", body, said));
}
for (const button of document.querySelectorAll("[data-copies]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(at(button.dataset.copies).textContent);
    announce("Copied.");
  });
}
at("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the part behind # is taken
  at("messages").focus();
});
addEventListener("hashchange", readAddress);
document.addEventListener("visibilitychange", () => document.hidden || look());
readAddress();
