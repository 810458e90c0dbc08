// The list of events, and all fields of one of them.

import { byId, counted, element } from "./dom.js";

const SHOWN_FIELDS = 12;
const SHOWN_LETTERS = 120;
const APART = new Set(["time", "event", "uid"]);
const MINOR = new Set(["event_id", "now", "datetime"]); // only among all fields

const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23",
});
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });

let rows = new Map(); // all that an event says -> its row
let opened = null;

/** Return the events of an answer of log/events; numbers become texts, for some have more digits than a number here. */
export function readEvents(body) {
  const asWritten = (_, value, context) => (typeof value === "number" ? context?.source ?? String(value) : value);
  return JSON.parse(body, asWritten).map(read);
}

function read(said) {
  if (said.measurement === undefined || said.fields === undefined || said.event !== undefined) {
    const fields = Object.entries(said).filter(([name]) => !APART.has(name));
    return { time: said.time, name: said.event, uid: said.uid, fields };
  }
  const { uid, ...tags } = said.tags ?? {};
  const fields = [...Object.entries(tags), ...Object.entries(said.fields)];
  return { time: said.time, name: said.measurement, uid: uid ?? "", fields };
}

/** Show events, newest first. Rows that were there stay what they are, and keep the focus. */
export function showEvents(events, { isFiltered }) {
  const focused = document.activeElement?.closest("#event-rows tr");
  const isFirst = rows.size === 0;
  const former = rows;
  rows = new Map();
  const today = new Date().toDateString(); // times are shown without the day as long as it is this one
  for (const event of events) {
    let key = today + JSON.stringify(event);
    while (rows.has(key)) key += "+";
    rows.set(key, former.get(key) ?? row(event, { isNew: !isFirst && !isFiltered }));
  }
  byId("event-rows").replaceChildren(...rows.values());
  if (focused?.isConnected) focused.querySelector("button").focus({ preventScroll: true });
  byId("listed").textContent = events.length
    ? ""
    : isFiltered ? "No event is like that." : "No events yet. They appear here as soon as a client sends one.";
  byId("events").hidden = events.length === 0;
}

/** Forget what was listed. */
export function forgetEvents() {
  rows = new Map();
  byId("event-rows").replaceChildren();
  byId("detail-rows").replaceChildren();
  byId("details-heading").textContent = "";
  byId("details").close();
}

function row(event, { isNew }) {
  const button = element("button", { type: "button", class: "link", "aria-haspopup": "dialog" }, time(event.time));
  const fields = event.fields.filter(([name]) => !MINOR.has(name));
  const more = fields.length - SHOWN_FIELDS;
  const made = element("tr", { role: "row", class: isNew ? "new" : "" },
    element("td", { role: "cell", class: "time" }, button),
    element("td", { role: "cell", class: "name" }, short(event.name)),
    element("td", { role: "cell", class: "uid" }, short(event.uid)),
    element("td", { role: "cell", class: "fields" },
      ...fields.slice(0, SHOWN_FIELDS).map(field),
      ...(more > 0 ? [element("span", { class: "quiet" }, `+ ${counted(more, "field")}`)] : [])));
  made.addEventListener("click", () => {
    if (!String(getSelection())) open(event);
  });
  return made;
}

function time(text) {
  const moment = new Date(text);
  const isToday = moment.toDateString() === new Date().toDateString();
  const shown = isToday ? clock.format(moment) : `${day.format(moment)} ${clock.format(moment)}`;
  return element("time", { datetime: text, title: `${text} (UTC)` }, shown);
}

const field = ([name, value]) => element("span", { class: "field" },
  element("span", { class: "quiet" }, `${short(name)} `), short(value), " ");

function short(value) {
  const text = String(value);
  return text.length > SHOWN_LETTERS ? `${text.slice(0, SHOWN_LETTERS)}…` : text;
}

function open(event) {
  opened = event;
  const local = `${day.format(new Date(event.time))} ${clock.format(new Date(event.time))}`;
  const all = [["time", local], ["time (UTC)", event.time], ["event", event.name], ["uid", event.uid], ...event.fields];
  byId("details-heading").textContent = short(event.name);
  byId("detail-rows").replaceChildren(...all.map(([name, value]) => element("tr", { role: "row" },
    element("th", { role: "rowheader", scope: "row" }, String(name)),
    element("td", { role: "cell", class: "value" }, String(value)))));
  byId("details").showModal();
}

/** Call `choose` with the name or the uid of the open event when a person asks for others like it. */
export function whenChosen(choose) {
  const choice = (id, wanted) => byId(id).addEventListener("click", () => {
    byId("details").close();
    choose(wanted(opened));
  });
  choice("only-event", ({ name }) => ({ event: String(name) }));
  choice("only-uid", ({ uid }) => ({ uid: String(uid) }));
}

byId("close").addEventListener("click", () => byId("details").close());
byId("details").addEventListener("click", (click) => {
  if (click.target === byId("details")) byId("details").close();
});
byId("zone").textContent = Intl.DateTimeFormat().resolvedOptions().timeZone;
