// The page: who may see it, what is asked for, and when.

import { Refused, Unavailable, ask } from "./api.js";
import { showCounts } from "./chart.js";
import { byId, count, counted, element } from "./dom.js";
import { forgetEvents, readEvents, showEvents, whenChosen } from "./events.js";

const STORED = "stats-service.token";
const REFRESH_MS = 3000;
const TYPING_MS = 250;
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hourCycle: "h23" });
const REFUSED = "This token is not accepted: it is unknown, expired or was taken back.";

let token = sessionStorage.getItem(STORED) ?? "";
let round = 0; // an answer counts if nothing was asked since
let isPaused = false;
let timer;

async function refresh() {
  clearTimeout(timer);
  const mine = ++round;
  const results = await Promise.allSettled([
    part(mine, ask("health", { also: [503] }), (body) => showHealth(JSON.parse(body))),
    part(mine, ask("log/counts", { token, parameters: { hours: hours() } }),
      (body) => showCounts(JSON.parse(body), (event) => choose({ event }))),
    part(mine, ask("log/events", { token, parameters: filter() }), list)
      .catch((error) => listKept(mine, error)),
  ]);
  if (mine !== round) return;
  const problems = results.filter(({ status }) => status === "rejected").map(({ reason }) => reason);
  if (problems.some((problem) => problem instanceof Refused)) {
    signOut(REFUSED);
    return;
  }
  showProblems(problems);
  schedule();
}

async function part(mine, answer, show) {
  const body = await answer;
  if (mine === round) show(body);
}

function list(body) {
  showEvents(readEvents(body), { isFiltered: isFiltered() });
}

/** List what the service has without its store, and go on with the error. */
async function listKept(mine, error) {
  if (error instanceof Unavailable && mine === round) {
    await part(mine, ask("log/events", { token, parameters: { ...filter(), store: "no" } }), list);
  }
  throw error;
}

function schedule() {
  clearTimeout(timer);
  if (token && !isPaused && document.visibilityState === "visible") timer = setTimeout(refresh, REFRESH_MS);
}

function showProblems(problems) {
  const texts = [...new Set(problems.map((problem) => problem.message))].join(" ");
  if (byId("problem").textContent !== texts) byId("problem").textContent = texts;
  if (!problems.length) byId("updated").textContent = `updated ${clock.format(new Date())}`;
}

function showHealth({ status, reasons, destinations }) {
  const text = status === "ok" ? "accepts events" : `not ready: ${reasons.join("; ")}`;
  if (byId("health").textContent !== text) byId("health").textContent = text;
  byId("health").classList.toggle("bad", status !== "ok");
  byId("health").hidden = false;
  byId("no-backlog").hidden = destinations.length > 0;
  byId("backlog").replaceChildren(...destinations.map(destination));
}

function destination({ destination: name, events, bytes, oldest, problem }) {
  const waiting = events ? `${counted(events, "event")}, ${size(bytes)}` : "nothing";
  const since = oldest ? [element("span", { class: "quiet", title: `${oldest} (UTC)` }, ` since ${new Date(oldest).toLocaleString()}`)] : [];
  const why = problem ? [element("p", { class: "problem" }, problem)] : [];
  return element("li", {}, element("strong", {}, name), element("p", {}, waiting, ...since), ...why);
}

function size(bytes) {
  const units = ["bytes", "KiB", "MiB", "GiB"];
  const unit = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${count(Math.round(bytes / 1024 ** unit * 10) / 10)} ${units[unit]}`;
}

const hours = () => document.querySelector("#hours input:checked").value;
const filter = () => ({ event: byId("filter-event").value, uid: byId("filter-uid").value, limit: byId("limit").value });
const isFiltered = () => Boolean(byId("filter-event").value || byId("filter-uid").value);

/** List only what has this event or uid. */
function choose({ event, uid }) {
  if (event !== undefined) byId("filter-event").value = event;
  if (uid !== undefined) byId("filter-uid").value = uid;
  refresh();
}

async function signIn(typed) {
  const tried = typed.trim().replace(/^Token\s*/, "");
  try {
    if (!/^[\x21-\x7e]+$/.test(tried)) throw new Refused();
    await ask("log/counts", { token: tried, parameters: { hours: 1 } });
  } catch (error) {
    signOut(error instanceof Refused ? REFUSED : error.message);
    return;
  }
  token = tried;
  sessionStorage.setItem(STORED, token);
  byId("token").value = "";
  showDashboard();
  byId("counts-heading").focus(); // what had it is gone
}

function signOut(reason) {
  token = "";
  round += 1;
  clearTimeout(timer);
  sessionStorage.removeItem(STORED);
  forgetEvents();
  reveal(false);
  byId("sign-in-problem").textContent = reason;
  byId("token").focus();
}

function showDashboard() {
  reveal(true);
  byId("sign-in-problem").textContent = "";
  refresh();
}

function reveal(isSignedIn) {
  byId("sign-in").hidden = isSignedIn;
  for (const id of ["dashboard", "pause", "sign-out"]) byId(id).hidden = !isSignedIn;
  if (!isSignedIn) {
    byId("health").hidden = true;
    byId("updated").textContent = "";
  }
}

function setPaused(paused) {
  isPaused = paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
  if (paused) clearTimeout(timer);
  else refresh();
}

function refreshSoon() {
  clearTimeout(timer);
  timer = setTimeout(refresh, TYPING_MS);
}

byId("sign-in").addEventListener("submit", (submit) => {
  submit.preventDefault();
  signIn(byId("token").value);
});
byId("sign-out").addEventListener("click", () => signOut(""));
byId("pause").addEventListener("click", () => setPaused(!isPaused));
byId("hours").addEventListener("change", refresh);
byId("limit").addEventListener("change", refresh);
for (const id of ["filter-event", "filter-uid"]) byId(id).addEventListener("input", refreshSoon);
byId("filter").addEventListener("submit", (submit) => {
  submit.preventDefault();
  refresh();
});
byId("clear").addEventListener("click", () => choose({ event: "", uid: "" }));
whenChosen(choose);
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && token && !isPaused) refresh();
  else clearTimeout(timer);
});

ask("ping").then((body) => { byId("version").textContent = JSON.parse(body).version; }, () => undefined);
if (token) showDashboard();
else reveal(false);
