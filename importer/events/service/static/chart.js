// Counts per event over time, as stacked bars.

import { byId, count, counted, drawn, element } from "./dom.js";

const KINDS = 7; // what is drawn by itself; the rest is one more kind
const OTHER = Symbol("other");
const HEIGHT = 180;
const MARGIN = { left: 44, right: 8, top: 8, bottom: 22 };
const LABEL_WIDTH = 84;
const TICK_MINUTES = [5, 10, 15, 30, 60, 120, 180, 360, 720, 1440];
const MINUTE = 60_000;

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric" });
const moment = new Intl.DateTimeFormat(undefined, {
  weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
});

const colours = new Map(); // kind -> number of its colour, the same for as long as the kind is drawn

let shown = null;

/** Draw an answer of log/counts; `choose` is called with the name of a kind that is clicked in the legend. */
export function showCounts(answer, choose) {
  shown = read(answer);
  colour(shown.kinds);
  draw();
  showLegend(choose);
  showTable();
}

function read({ from, to, step_seconds, counts }) {
  const start = Date.parse(from);
  const step = step_seconds * 1000;
  const totals = Object.entries(counts).map(([name, steps]) => [name, steps.reduce((sum, { events }) => sum + events, 0)]);
  totals.sort((one, other) => other[1] - one[1] || (one[0] < other[0] ? -1 : 1));
  const own = new Set(totals.slice(0, KINDS).map(([name]) => name));
  const columns = Array.from({ length: Math.max(1, Math.round((Date.parse(to) - start) / step)) }, () => new Map());
  for (const [name, steps] of Object.entries(counts)) {
    const kind = own.has(name) ? name : OTHER;
    for (const { time, events } of steps) {
      const column = columns[Math.round((time * 1000 - start) / step)];
      column?.set(kind, (column.get(kind) ?? 0) + events);
    }
  }
  const others = totals.slice(KINDS);
  const kinds = totals.slice(0, KINDS).map(([name, events]) => ({ kind: name, label: name, events }));
  if (others.length) {
    const events = others.reduce((sum, [, number]) => sum + number, 0);
    kinds.push({ kind: OTHER, label: counted(others.length, "other kind"), events });
  }
  return { start, step, columns, kinds, names: totals.map(([name]) => name) };
}

function colour(kinds) {
  const present = new Set(kinds.map(({ kind }) => kind));
  for (const kind of colours.keys()) if (!present.has(kind)) colours.delete(kind);
  for (const { kind } of kinds) {
    if (colours.has(kind)) continue;
    const used = new Set(colours.values());
    colours.set(kind, kind === OTHER ? KINDS : [...Array(KINDS).keys()].find((number) => !used.has(number)));
  }
}

const sum = (column) => [...column.values()].reduce((total, events) => total + events, 0);

function draw() {
  const { start, step, columns, kinds } = shown;
  const holder = byId("chart");
  const width = Math.max(240, Math.floor(holder.clientWidth));
  const top = nice(Math.max(...columns.map(sum)));
  const inner = width - MARGIN.left - MARGIN.right;
  const x = (time) => MARGIN.left + (time - start) / (step * columns.length) * inner;
  const y = (events) => HEIGHT - MARGIN.bottom - events / top * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const svg = drawn("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img" });
  svg.setAttribute("aria-label", summary());
  svg.append(...levels(top, y, width), ...times(x, inner));
  const bar = inner / columns.length;
  const gap = bar > 4 ? 1 : 0;
  columns.forEach((column, index) => {
    const left = MARGIN.left + index * bar;
    let below = 0;
    for (const { kind } of kinds) {
      const events = column.get(kind);
      if (!events) continue;
      svg.append(drawn("rect", {
        class: `bar kind-${colours.get(kind)}`,
        x: left + gap / 2, y: y(below + events), width: bar - gap, height: y(below) - y(below + events),
      }));
      below += events;
    }
    const area = drawn("rect", {
      class: "column", x: left, y: MARGIN.top, width: bar, height: HEIGHT - MARGIN.top - MARGIN.bottom,
    });
    area.addEventListener("pointerenter", () => tell(index));
    svg.append(area);
  });
  svg.addEventListener("pointerleave", () => tell(null));
  holder.replaceChildren(svg);
  tell(null);
}

/** Return the least of 1, 2, 5, 10, 20, 50 ... that is not under a number. */
function nice(number) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, number)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((level) => level >= number);
}

function levels(top, y, width) {
  const numbers = [...new Set([0, Math.ceil(top / 2), top])];
  return numbers.flatMap((number) => [
    drawn("line", { class: "level", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(number), y2: y(number) }),
    drawn("text", { x: MARGIN.left - 6, y: y(number) + 4, "text-anchor": "end" },
      number.toLocaleString(undefined, { notation: "compact" })),
  ]);
}

function times(x, inner) {
  const { start, step, columns } = shown;
  const end = start + step * columns.length;
  const most = Math.max(1, inner / LABEL_WIDTH);
  const tick = (TICK_MINUTES.find((minutes) => (end - start) / (minutes * MINUTE) <= most) ?? 2880) * MINUTE;
  const offset = new Date(start).getTimezoneOffset() * MINUTE;
  const labels = [];
  for (let time = Math.ceil((start - offset) / tick) * tick + offset; time < end; time += tick) {
    const format = tick >= 1440 * MINUTE ? day : clock;
    labels.push(
      drawn("line", { class: "tick", x1: x(time), x2: x(time), y1: HEIGHT - MARGIN.bottom, y2: HEIGHT - MARGIN.bottom + 4 }),
      drawn("text", { x: x(time), y: HEIGHT - 4, "text-anchor": "middle" }, format.format(time)),
    );
  }
  return labels;
}

function summary() {
  const { start, step, columns, kinds } = shown;
  const total = kinds.reduce((events, kind) => events + kind.events, 0);
  if (!total) return "No events were accepted in this time.";
  const most = columns.reduce((best, column, index) => (sum(column) > sum(columns[best]) ? index : best), 0);
  return `${counted(total, "event")} accepted, most of them, ${count(sum(columns[most]))}, from ${moment.format(start + most * step)} on.`;
}

/** Say what a column holds, or without one what the chart shows. */
function tell(index) {
  const { start, step, columns, kinds } = shown;
  if (index === null) {
    byId("readout").textContent = summary();
    return;
  }
  const column = columns[index];
  const parts = kinds.filter(({ kind }) => column.has(kind)).map(({ kind, label }) => `${label} ${count(column.get(kind))}`);
  const time = `${moment.format(start + index * step)}–${clock.format(start + (index + 1) * step)}`;
  byId("readout").textContent = `${time}: ${parts.join(" · ") || "none"}`;
}

function showLegend(choose) {
  const focused = document.activeElement?.closest("#legend button")?.dataset.kind;
  const items = shown.kinds.map(({ kind, label, events }) => {
    const swatch = drawn("svg", { width: 10, height: 10, "aria-hidden": "true" },
      drawn("rect", { width: 10, height: 10, class: `kind-${colours.get(kind)}` }));
    const texts = [element("span", { class: "name" }, label), element("span", { class: "number" }, count(events))];
    if (kind === OTHER) return element("li", { class: "kind" }, swatch, ...texts);
    const button = element("button", { type: "button", class: "kind", title: `List only ${label}` }, swatch, ...texts);
    button.dataset.kind = kind;
    button.addEventListener("click", () => choose(kind));
    return element("li", {}, button);
  });
  byId("legend").replaceChildren(...items);
  byId("known-events").replaceChildren(...shown.names.slice(0, 200).map((name) => element("option", { value: name })));
  if (focused !== undefined) {
    [...byId("legend").querySelectorAll("button")].find((button) => button.dataset.kind === focused)?.focus();
  }
}

function showTable() {
  if (!shown || !byId("as-table").open) return;
  const { start, step, columns, kinds } = shown;
  const rows = columns.flatMap((column, index) => kinds.filter(({ kind }) => column.has(kind)).map(({ kind, label }) =>
    element("tr", { role: "row" },
      element("td", { role: "cell" }, moment.format(start + index * step)),
      element("td", { role: "cell" }, label),
      element("td", { role: "cell", class: "number" }, count(column.get(kind))))));
  byId("count-rows").replaceChildren(...rows.reverse());
}

byId("as-table").addEventListener("toggle", showTable);
new ResizeObserver(() => { if (shown) draw(); }).observe(byId("chart"));
