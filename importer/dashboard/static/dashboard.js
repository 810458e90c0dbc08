// The dashboard: asks /api/status, waits there for news, and draws. Texts become text nodes, whatever they hold.

const SVG = "http://www.w3.org/2000/svg";
const LISTED = 60;
const MOST_CHARTS = 8;
const HEIGHT = 190;
const RANGES = { "1h": 3600, "24h": 86400, "7d": 604800, all: null };
const RANGE_WORDS = { "1h": "the last hour", "24h": "the last 24 hours", "7d": "the last 7 days" };
const COLOURS = 12;
const STATES = {
  ok: ["good", "ok"], idle: ["", "no run yet"], waiting: ["warn", "store away"], late: ["warn", "late"],
  rejects: ["bad", "rejects"], damaged: ["bad", "damaged"], failed: ["bad", "failed"], unreadable: ["bad", "unreadable"],
};

const byId = (id) => document.getElementById(id);
const whole = (number) => number.toLocaleString("en");
const counted = (number, noun) => `${whole(number)} ${noun}${number === 1 ? "" : "s"}`;
const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

let status = null; // the last answer of /api/status
let ahead = 0; // by how many ms the server's clock is ahead of ours

// ---- elements

function made(holder, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null) holder.setAttribute(name, value);
  }
  holder.append(...children.filter((child) => child !== null));
  return holder;
}

const element = (name, attributes = {}, ...children) => made(document.createElement(name), attributes, children);
const drawn = (name, attributes = {}, ...children) => made(document.createElementNS(SVG, name), attributes, children);
const cell = (label, attributes, ...children) => element("td", { role: "cell", "data-label": label, ...attributes }, ...children);
const cells = (...content) => element("tr", { role: "row" }, ...content);

function number(value) {
  const size = Math.abs(value);
  if (value === null) return "–";
  if (size !== 0 && (size >= 1e15 || size < 1e-4)) return value.toExponential(3);
  return value.toLocaleString("en", Number.isInteger(value) ? {} : { maximumSignificantDigits: 6 });
}

const compact = (value) => value.toLocaleString("en", { notation: "compact", maximumSignificantDigits: 4 });

function bytes(size) {
  const unit = ["B", "kB", "MB", "GB"][Math.min(3, size < 1 ? 0 : Math.floor(Math.log10(size) / 3))];
  return `${(size / { B: 1, kB: 1e3, MB: 1e6, GB: 1e9 }[unit]).toLocaleString("en", { maximumFractionDigits: 1 })} ${unit}`;
}

/** Return a span of time in its two largest units. */
function span(seconds) {
  let rest = Math.max(0, Math.floor(seconds));
  const parts = [];
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]]) {
    const many = Math.floor(rest / size);
    rest -= many * size;
    if (many || parts.length) parts.push(many ? `${many} ${unit}` : "");
  }
  return parts.slice(0, 2).filter(Boolean).join(" ") || "0 s";
}

const now = () => Date.now() + ahead;

/** Return an element whose text follows the clock: `ago`, `age`, or `until`. */
function clocked(iso, how) {
  const time = element("time", { datetime: iso, "data-how": how, title: absolute.format(new Date(iso)) });
  tick(time);
  return time;
}

function tick(time) {
  const seconds = (now() - Date.parse(time.dateTime)) / 1000;
  const how = time.dataset.how;
  let text = span(seconds);
  if (how === "ago") text = seconds < 1 ? "just now" : `${span(seconds)} ago`;
  if (how === "until") text = seconds < 0 ? `in ${span(-seconds)}` : seconds < 60 ? "now" : `${span(seconds)} ago`;
  if (time.textContent !== text) time.textContent = text;
}

setInterval(() => document.querySelectorAll("time[data-how]").forEach(tick), 1000);

// ---- asking

async function ask(path, parameters = {}, signal = undefined) {
  const answer = await fetch(`api/${path}?${new URLSearchParams(parameters)}`, { signal });
  if (answer.status === 401) location.reload();
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error ?? `the answer is ${answer.status}`);
  return content;
}

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

function becomesVisible() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
}

/** Follow the state for ever: each answer comes when there is news, or after a while. A hidden page does not ask. */
async function follow() {
  for (let failures = 0; ;) {
    await becomesVisible();
    try {
      show(await ask("status", status ? { after: status.version } : {}));
      failures = 0;
      live("on", "live");
    } catch (error) {
      failures += 1;
      live("lost", error instanceof TypeError ? "connection lost, trying again" : error.message);
      await pause(Math.min(10, 2 ** (failures - 1)));
    }
  }
}

function live(state, text) {
  byId("live").dataset.state = state;
  if (byId("live-text").textContent !== text) byId("live-text").textContent = text;
}

// ---- the state

function show(answer) {
  const before = status;
  status = answer;
  ahead = Date.parse(answer.time) - Date.now();
  if (before?.version === answer.version) return;
  showVerdict(answer);
  showCommands(answer, before);
  showDestinations(answer);
  showErrors(answer);
  showStores(answer, before);
}

function showVerdict({ headline, notes, commands }) {
  const isBad = notes.some(({ severity }) => severity === "error");
  byId("verdict").dataset.state = isBad ? "bad" : notes.length ? "warn" : commands.length ? "good" : "unknown";
  if (byId("headline").textContent !== headline) byId("headline").textContent = headline;
  document.title = `${headline} – metrics-importer`;
  const sum = (read) => commands.reduce((total, command) => total + read(command), 0);
  const figures = [
    [commands.length, commands.length === 1 ? "command" : "commands"],
    [sum(({ waiting }) => waiting.points), "points waiting"],
    [sum(({ rejects }) => rejects), "rejects"],
  ];
  byId("figures").replaceChildren(...figures.map(([value, name]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, whole(value)))));
  byId("notes").replaceChildren(...notes.map(({ severity, command, text }) => element("li", {},
    element("span", { class: `tag ${severity === "error" ? "bad" : "warn"}` }, command || "state"),
    element("span", {}, text))));
}

function showCommands({ commands }, before) {
  byId("no-commands").hidden = commands.length > 0;
  byId("commands").hidden = commands.length === 0;
  byId("commands-count").textContent = commands.length ? whole(commands.length) : "";
  const projects = new Set(commands.map(({ project }) => project));
  const key = ({ project, command }) => `${project}/${command}`;
  const runs = new Map((before?.commands ?? []).map((command) => [key(command), command.last_run?.started]));
  byId("command-rows").replaceChildren(...commands.map((command) => {
    const row = commandRow(command, projects.size > 1);
    if (runs.has(key(command)) && runs.get(key(command)) !== command.last_run?.started) row.classList.add("fresh");
    return row;
  }));
}

function commandRow(command, hasProject) {
  const [kind, word] = STATES[command.state] ?? ["", command.state];
  const last = command.last_run;
  const { waiting, rejects } = command;
  return cells(
    cell(null, {}, element("span", { class: "name" }, command.command),
      hasProject && command.project !== command.command ? element("span", { class: "under" }, command.project) : null),
    cell(null, {}, element("span", { class: `tag ${kind}` }, word)),
    cell("Last run", {}, ...(last
      ? [clocked(last.started, "ago"), element("span", { class: "under" }, `${counted(last.points, "point")} in ${took(command.runs[0].seconds)}`)]
      : ["–"])),
    cell("Last runs", {}, command.runs.length ? strip(command.runs) : "–"),
    cell("Next run", {}, ...(command.next_run
      ? [clocked(command.next_run, "until"), element("span", { class: "under" }, `every ${span(command.interval_seconds)}`)]
      : [element("span", { class: "quiet", title: "Too few runs, or too irregular, to tell" }, "–")])),
    cell("Lag", { class: "number" }, command.newest_point ? clocked(command.newest_point, "age") : "–"),
    cell("Waiting", { class: waiting.points ? "number" : "number nil" }, element("span", { class: waiting.points ? "care" : null }, whole(waiting.points)),
      waiting.oldest ? element("span", { class: "under" }, "for ", clocked(waiting.oldest, "age")) : null),
    cell("Rejects", { class: rejects ? "number" : "number nil" }, element("span", { class: rejects ? "alarm" : null }, whole(rejects))),
  );
}

const took = (seconds) => seconds < 10 ? `${seconds.toLocaleString("en", { maximumFractionDigits: 1 })} s` : span(seconds);

/** Return a row of bars, the last run on the right: as high as its points, red where it failed. */
function strip(runs) {
  const width = 4;
  const height = 20;
  const most = Math.max(1, ...runs.map(({ points }) => points));
  const failed = runs.filter(({ exit_code }) => exit_code !== 0).length;
  const label = `${counted(runs.length, "run")}, ${failed || "none"} failed`;
  const left = 30 - runs.length;
  const bars = runs.map(({ points, exit_code, started }, index) => {
    const high = exit_code ? height : Math.max(2, points / most * height);
    const place = { x: (left + runs.length - 1 - index) * width, y: height - high, width: width - 1, height: high };
    const title = drawn("title", {}, `${absolute.format(new Date(started))}: ${exit_code ? `exit ${exit_code}` : counted(points, "point")}`);
    return drawn("rect", { class: exit_code ? "run failed" : "run", rx: 0.5, ...place }, title);
  });
  return drawn("svg", { class: "strip", role: "img", "aria-label": label, width: 30 * width, height: height + 1 },
    drawn("line", { class: "floor", x1: 0, x2: 30 * width, y1: height + 0.5, y2: height + 0.5 }), ...bars);
}

function showDestinations({ commands }) {
  const destinations = new Map();
  for (const { command, lanes } of commands) {
    for (const lane of lanes) destinations.set(lane.lane, [...(destinations.get(lane.lane) ?? []), { command, ...lane }]);
  }
  const total = (lanes) => lanes.reduce((points, lane) => points + lane.points, 0);
  const sorted = [...destinations].sort(([one, its], [other, those]) => total(those) - total(its) || one.localeCompare(other));
  const all = total(sorted.flatMap(([, lanes]) => lanes));
  byId("no-destinations").hidden = sorted.length > 0;
  byId("waiting-total").textContent = sorted.length ? (all ? counted(all, "point") : "nothing waits") : "";
  byId("destinations").replaceChildren(...sorted.map(([name, lanes]) => destinationItem(name, lanes, total(lanes))));
}

/** Return one destination; its bar is as full as the fullest of its queues, one of each command. */
function destinationItem(name, lanes, points) {
  const busy = lanes.filter(({ payloads, rejects, problem }) => payloads || rejects || problem);
  const idle = lanes.filter((lane) => !busy.includes(lane)).map(({ command }) => command);
  const fullest = Math.max(...lanes.map(({ bytes: size, max_bytes: most }) => size / (most ?? 2 ** 30)));
  const fill = element("span");
  fill.style.width = points ? `max(3px, ${Math.min(100, fullest * 100)}%)` : "0";
  const kind = fullest > 0.8 ? "full" : busy.some(({ payloads, problem }) => payloads && problem) ? "stuck" : "";
  return element("li", {},
    element("div", { class: "lane" }, element("code", {}, name),
      element("span", { class: points ? "amount name" : "amount quiet" }, whole(points))),
    element("div", { class: `track ${kind}`, "aria-hidden": "true" }, fill),
    ...busy.flatMap(laneLines),
    idle.length ? element("p", { class: "under" }, `${busy.length ? "nothing of " : "of "}${idle.join(", ")}`) : null);
}

function laneLines({ command, payloads, bytes: size, max_bytes: most, oldest, rejects, problem }) {
  const room = most ? `${bytes(size)} of ${bytes(most)}` : bytes(size);
  const details = [command, ...(payloads ? [counted(payloads, "payload"), room] : [])];
  return [
    element("p", { class: "under" }, details.join(" · "), ...(oldest ? [" · oldest ", clocked(oldest, "age")] : []),
      rejects ? element("span", { class: "alarm" }, ` · ${counted(rejects, "reject")}`) : null),
    ...(problem ? [element("p", { class: "under care" }, problem)] : []),
  ];
}

function showErrors({ errors }) {
  byId("no-errors").hidden = errors.length > 0;
  byId("errors").hidden = errors.length === 0;
  byId("errors-count").textContent = errors.length ? whole(errors.length) : "";
  byId("error-rows").replaceChildren(...errors.map(({ time, first, count, command, kind, text }) => cells(
    cell(null, {}, clocked(time, "ago"),
      count > 1 ? element("span", { class: "under" }, `${whole(count)} times in `, clocked(first, "age")) : null),
    cell(null, { class: "name" }, command),
    cell(null, {}, element("span", { class: "tag bad" }, kind)),
    cell(null, {}, text))));
}

// ---- the list of series

let listed = [];
let searching = null;
const charts = []; // in the order of the page
let isChosen = false; // whether the reader, or the address, said what to draw

function showStores({ stores }, before) {
  byId("no-store").hidden = stores.length > 0;
  byId("explorer").hidden = stores.length === 0;
  if (!stores.length) return;
  const stamps = (answer) => JSON.stringify(answer?.stores);
  if (stamps(before) === stamps(status)) return;
  search(Math.max(LISTED, listed.length));
  if (!before?.stores.length) begin();
  charts.forEach((chart) => chart.refresh());
}

async function search(limit = LISTED, offset = 0) {
  searching?.abort();
  const own = new AbortController();
  searching = own;
  try {
    const text = byId("search").value.trim();
    const answer = await ask("series", { search: text, offset, limit: Math.min(200, limit) }, own.signal);
    listed = offset ? [...listed, ...answer.series] : answer.series;
    showSeries(answer, text);
  } catch (error) {
    if (error.name !== "AbortError") byId("store-problems").textContent = error.message;
  }
}

function showSeries({ total, problems }, text) {
  byId("store-problems").textContent = problems.join("; ");
  byId("found").textContent = total ? `${whole(total)} ${text ? "found" : total === 1 ? "name" : "names"}` : text ? `No name holds “${text}”.` : "Nothing was stored yet.";
  byId("more").hidden = listed.length >= total;
  const focused = document.activeElement?.closest("#series button")?.dataset.key;
  const groups = new Map();
  for (const metric of listed) {
    const cut = metric.name.lastIndexOf(".");
    const prefix = cut < 0 ? "" : metric.name.slice(0, cut);
    groups.set(prefix, [...(groups.get(prefix) ?? []), metric]);
  }
  byId("series").replaceChildren(...[...groups].flatMap(([prefix, metrics]) => [
    element("h3", {}, prefix || "without a prefix"),
    element("ul", {}, ...metrics.map((metric) => element("li", {}, seriesButton(metric, prefix)))),
  ]));
  markChosen();
  if (focused) document.querySelector(`#series button[data-key="${CSS.escape(focused)}"]`)?.focus();
}

function seriesButton(metric, prefix) {
  const key = keyOf(metric);
  const leaf = prefix ? metric.name.slice(prefix.length + 1) : metric.name;
  const latest = metric.label_sets > 1 ? `${whole(metric.label_sets)} series` : metric.last_value === null ? "" : number(metric.last_value);
  const button = element("button", { type: "button", title: metric.name, "data-key": key },
    element("span", { class: "leaf" }, leaf), element("span", { class: "latest" }, latest));
  button.addEventListener("click", () => toggle(metric));
  return button;
}

const keyOf = ({ store, name }) => JSON.stringify([store, name]);

function markChosen() {
  const drawnKeys = new Set(charts.map(({ key }) => key));
  for (const button of document.querySelectorAll("#series button")) {
    button.setAttribute("aria-pressed", drawnKeys.has(button.dataset.key));
  }
  byId("no-chart").hidden = charts.length > 0;
  for (const { card } of charts) card.classList.toggle("wide", charts.length === 1);
}

let typing = 0;
byId("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => search(), 120);
});
byId("more").addEventListener("click", () => search(LISTED, listed.length));
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.closest("input, textarea")) return;
  event.preventDefault();
  byId("search").focus();
});

// ---- charts

/** Draw what the address names, or else what the server suggests. */
async function begin() {
  const wanted = remembered();
  isChosen = wanted.length > 0;
  const metrics = isChosen ? wanted : await suggested();
  for (const metric of metrics.slice(0, MOST_CHARTS)) add(metric, false);
}

async function suggested() {
  try {
    return (await ask("suggested")).series;
  } catch (error) {
    byId("store-problems").textContent = error.message;
    return [];
  }
}

function toggle(metric) {
  if (!isChosen) charts.splice(0).forEach((chart) => chart.remove()); // suggestions make way for the first choice
  isChosen = true;
  const shown = charts.find(({ key }) => key === keyOf(metric));
  if (shown) drop(shown);
  else add(metric, true);
}

function add(metric, isFirst) {
  if (charts.some(({ key }) => key === keyOf(metric))) return;
  const chart = new Chart(metric);
  if (isFirst) {
    charts.unshift(chart);
    byId("charts").prepend(chart.card);
    charts.splice(MOST_CHARTS).forEach((last) => last.remove());
  } else {
    charts.push(chart);
    byId("charts").append(chart.card);
  }
  changed();
  chart.refresh();
}

function drop(chart) {
  isChosen = true;
  charts.splice(charts.indexOf(chart), 1);
  chart.remove();
  changed();
}

function changed() {
  markChosen();
  if (isChosen) remember();
}

const range = () => document.querySelector("#range input:checked")?.value ?? "all";

function remembered() {
  const parts = new URLSearchParams(location.hash.slice(1));
  return parts.getAll("chart").map((name, index) => ({ name, store: parts.getAll("store")[index] ?? status.stores[0].store }));
}

function remember() {
  const parts = new URLSearchParams({ range: range() });
  for (const { metric } of charts) {
    parts.append("chart", metric.name);
    parts.append("store", metric.store);
  }
  history.replaceState(null, "", `#${parts}`);
}

function chooseRange() {
  const asked = new URLSearchParams(location.hash.slice(1)).get("range") ?? localStorage.getItem("range");
  const value = asked in RANGES ? asked : "all";
  document.querySelector(`#range input[value="${value}"]`).checked = true;
}

byId("range").addEventListener("change", () => {
  localStorage.setItem("range", range());
  if (isChosen) remember();
  charts.forEach((chart) => chart.refresh());
});

setInterval(() => {
  if (RANGES[range()] && !document.hidden) charts.forEach((chart) => chart.refresh()); // time goes on without new points
}, 60_000);

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const clock = (form) => { const format = new Intl.DateTimeFormat(undefined, form); return (seconds) => format.format(seconds * 1000); };
const minutes = clock({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const secondsToo = clock({ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const days = clock({ day: "numeric", month: "short" });
const moment = clock({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

/** Return the labels of a time axis: the day where it begins, times in between. */
function timeLabels(_chart, splits, _axis, _space, step) {
  return splits.map((split, index) => {
    if (step >= 86400) return days(split);
    const time = step < 60 ? secondsToo(split) : minutes(split);
    const isNewDay = index === 0 || days(split) !== days(splits[index - 1]);
    return isNewDay ? `${time}\n${days(split)}` : time;
  });
}

class Chart {
  constructor(metric) {
    this.metric = metric;
    this.key = keyOf(metric);
    this.hidden = new Set();
    const cut = metric.name.lastIndexOf(".") + 1;
    this.latest = element("p", { class: "latest" });
    this.plot = element("div", { class: "plot", role: "img" });
    this.said = element("p", { class: "said" });
    this.keys = element("div", { class: "keys", role: "group", "aria-label": `Series of ${metric.name}` });
    const close = element("button", { type: "button", class: "close", title: "Close this chart", "aria-label": `Close ${metric.name}` }, "×");
    close.addEventListener("click", () => drop(this));
    const title = element("h3", {}, element("span", { class: "prefix" }, metric.name.slice(0, cut)), element("wbr"), metric.name.slice(cut));
    this.card = element("article", { class: "chart", "data-name": metric.name, "aria-label": metric.name },
      element("header", {}, title, this.latest, close), this.plot, this.said, this.keys);
    this.watch = new ResizeObserver(() => this.drawing?.setSize({ width: this.width(), height: HEIGHT }));
    this.watch.observe(this.plot);
  }

  width() {
    return Math.max(120, this.plot.clientWidth);
  }

  remove() {
    this.asking?.abort();
    this.watch.disconnect();
    this.drawing?.destroy();
    this.card.remove();
  }

  async refresh() {
    this.asking?.abort();
    const own = new AbortController();
    this.asking = own;
    const length = RANGES[range()];
    const end = Math.floor(now() / 1000) + 1;
    const { store, name } = this.metric;
    try {
      const answer = await ask("points", { store, name, ...(length ? { from: end - length } : {}) }, own.signal);
      this.answer = answer;
      this.window = length ? [end - length, end] : null;
      this.draw();
    } catch (error) {
      if (error.name !== "AbortError") this.said.textContent = error.message;
    }
  }

  draw() {
    const series = this.answer.series;
    const filled = series.filter(({ times }) => times.length);
    this.drawing?.destroy();
    this.drawing = null;
    this.plot.replaceChildren();
    this.texts = series.map(({ labels }) => labelText(labels));
    this.showKeys();
    this.tell(null);
    if (!filled.length) {
      this.latest.textContent = "";
      this.plot.append(element("p", { class: "empty" }, `No point in ${RANGE_WORDS[range()] ?? "this time"}; choose a longer one.`));
      return;
    }
    const data = uPlot.join(series.map(({ times, values }) => [times, values]));
    this.latest.textContent = series.length === 1 ? number(series[0].values.at(-1)) : "";
    this.drawing = new uPlot(this.options(data), data, this.plot);
    this.plot.dataset.points = data[0].length;
  }

  options(data) {
    const font = `11px ${getComputedStyle(document.body).fontFamily}`;
    const axis = { stroke: style("--quiet"), font, grid: { stroke: style("--grid"), width: 1 }, ticks: { stroke: style("--grid"), width: 1, size: 4 } };
    const isSparse = data[0].length <= 40;
    const span = this.window ?? padded(data[0]);
    return {
      width: this.width(),
      height: HEIGHT,
      legend: { show: false },
      cursor: { sync: { key: "dashboard", setSeries: false }, y: false, points: { size: 7 }, drag: { setScale: false, x: false, y: false } },
      scales: { x: { time: true, range: () => span }, y: { range: (_chart, least, most) => heights(least, most) } },
      series: [{}, ...this.answer.series.map((_, index) => ({
        stroke: style(`--k${index % COLOURS}`),
        width: 1.5,
        show: !this.hidden.has(this.texts[index]),
        spanGaps: true,
        points: { show: isSparse, size: 5, fill: style(`--k${index % COLOURS}`) },
        fill: this.answer.series.length === 1 ? `${style("--k0")}1c` : undefined,
      }))],
      axes: [
        { ...axis, values: timeLabels, space: 70, size: 40 },
        { ...axis, values: (_chart, splits) => splits.map(compact), size: 52, space: 34 },
      ],
      hooks: { setCursor: [(drawing) => this.tell(drawing.cursor.idx)] },
    };
  }

  /** Say what is under the cursor, or without one what the chart shows. */
  tell(index) {
    const { series, left_out: leftOut } = this.answer;
    const shown = this.drawing?.data;
    if (index !== null && index !== undefined && shown) {
      const values = series.map((_, at) => [this.texts[at], shown[at + 1][index]]).filter(([text, value]) => value !== undefined && value !== null && !this.hidden.has(text));
      const parts = values.map(([text, value]) => (series.length > 1 ? `${text} ${number(value)}` : number(value)));
      this.said.textContent = `${moment(shown[0][index])}: ${parts.join(" · ") || "–"}`;
      return;
    }
    this.said.textContent = summary(series, leftOut);
    this.plot.setAttribute("aria-label", `${this.metric.name}: ${this.said.textContent}`);
  }

  showKeys() {
    const focused = document.activeElement?.closest(".keys") === this.keys ? document.activeElement.dataset.text : null;
    if (this.answer.series.length < 2 && !this.texts[0]) return this.keys.replaceChildren();
    this.keys.replaceChildren(...this.texts.map((text, index) => this.keyButton(text, index)));
    if (focused !== null) [...this.keys.children].find(({ dataset }) => dataset.text === focused)?.focus();
  }

  keyButton(text, index) {
    const swatch = drawn("svg", { width: 10, height: 10, "aria-hidden": "true" }, drawn("rect", { width: 10, height: 10, rx: 2, class: `k${index % COLOURS}` }));
    const button = element("button", { type: "button", "aria-pressed": !this.hidden.has(text), "data-text": text }, swatch, element("span", {}, text || "no labels"));
    button.addEventListener("click", () => {
      if (!this.hidden.delete(text)) this.hidden.add(text);
      button.setAttribute("aria-pressed", !this.hidden.has(text));
      this.drawing?.setSeries(index + 1, { show: !this.hidden.has(text) });
    });
    return button;
  }
}

const labelText = (labels) => Object.entries(labels).map(([name, value]) => `${name}=${value}`).join(", ");

/** Return the ends of a time axis that shows all of some times, and a lone one in its middle. */
function padded(times) {
  const first = times[0];
  const last = times[times.length - 1];
  const margin = last > first ? (last - first) * 0.015 : 1800;
  return [first - margin, last + margin];
}

/** Return the ends of an axis of values: from 0 where that costs little of the height. */
function heights(least, most) {
  if (least === null) return [0, 1];
  if (least === most) return least === 0 ? [0, 1] : [Math.min(0, 2 * least), Math.max(0, 2 * least)];
  const [low, high] = uPlot.rangeNum(least, most, 0.08, true);
  return least >= 0 && least < 0.6 * most ? [0, high] : [low, high];
}

function summary(series, leftOut) {
  const total = series.reduce((sum, one) => sum + one.total, 0);
  if (!total) return "";
  const times = series.flatMap(({ times: own }) => (own.length ? [own[0], own.at(-1)] : []));
  const values = series.flatMap(({ values: own }) => own);
  const least = values.reduce((one, other) => Math.min(one, other));
  const most = values.reduce((one, other) => Math.max(one, other));
  const extent = least === most ? `always ${number(least)}` : `${number(least)} to ${number(most)}`;
  const first = moment(Math.min(...times));
  const last = moment(Math.max(...times));
  const time = first === last ? first : `${first} – ${last}`;
  return `${counted(total, "point")}, ${extent}; ${time}${leftOut ? `; ${whole(leftOut)} more series are not drawn` : ""}`;
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach((chart) => chart.answer && chart.draw()));

// ---- begin

const address = new URL(location.href);
if (address.searchParams.has("token")) {
  address.searchParams.delete("token"); // it is a cookie by now, and need not stand in the history
  history.replaceState(null, "", address);
}
chooseRange();
follow();
