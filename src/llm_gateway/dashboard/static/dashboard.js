// What the server cannot do: curves, the live part's manners, the menu, the colours, the playground's stream.
"use strict";

// --- Curves: <div class="chart" data-chart='{"x": [...], "series": [{name, values, colour, dash, band}], "unit": "usd"}'>
const charts = new WeakMap();

const units = {
  count: (v) => Intl.NumberFormat("en", { notation: v >= 1e4 ? "compact" : "standard", maximumFractionDigits: v < 10 && v % 1 ? 1 : 0 }).format(v),
  usd: (v) => "$" + Intl.NumberFormat("en", { maximumSignificantDigits: 3 }).format(v),
  seconds: (v) => (v < 1 ? Math.round(v * 1000) + " ms" : Intl.NumberFormat("en", { maximumFractionDigits: 1 }).format(v) + " s"),
  percent: (v) => Intl.NumberFormat("en", { maximumFractionDigits: 1 }).format(v) + " %",
};

function draw(host) {
  const given = JSON.parse(host.dataset.chart);
  const css = getComputedStyle(document.documentElement);
  const colour = (name) => css.getPropertyValue(name).trim();
  const say = units[given.unit] || units.count;
  const palette = ["--s1", "--s2", "--s3", "--s4", "--s5", "--s6"].map(colour);
  const font = "11px " + getComputedStyle(document.body).fontFamily;
  const axis = { stroke: colour("--muted"), font, grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  const most = Math.max(0, ...given.series.flatMap((s) => s.values.filter((v) => v !== null)));
  const series = given.series.map((s) => ({
    label: s.name,
    stroke: s.edge ? "transparent" : palette[s.colour],
    width: given.bars ? 1 : 2,
    dash: s.dash || undefined,
    fill: given.bars ? palette[s.colour] + "66" : s.fill ? palette[s.colour] + "22" : undefined,
    points: { show: !s.edge && !given.bars && s.values.filter((v) => v !== null).length < 3, size: 6 },
    spanGaps: false,
    paths: given.bars ? uPlot.paths.bars({ size: [0.7, 32] }) : undefined,
  }));
  const old = charts.get(host);
  if (old) old.destroy();
  const plot = new uPlot({
    width: Math.max(host.clientWidth, 120),
    height: host.clientHeight,
    padding: [8, 16, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
    scales: { x: { time: true, range: given.bars ? (_, low, high) => [low - 43200, high + 43200] : undefined }, y: { range: [0, most > 0 ? most * 1.1 : 1] } },
    axes: [
      { ...axis, space: 64, size: 24, values: given.days ? "{D} {MMM}" : "{HH}:{mm}", grid: { show: false } },
      { ...axis, size: 56, space: 36, values: (_, splits) => splits.map(say) },
    ],
    series: [{}, ...series],
    bands: given.series.flatMap((s, i) => (s.band ? [{ series: [i + 1, s.band + 1], fill: palette[s.colour] + "2b" }] : [])),
    hooks: { setCursor: [(u) => tell(host, u, given, say)] },
  }, [given.x, ...given.series.map((s) => s.values)], host);
  charts.set(host, plot);
}

// Under the pointer: the values of that moment take the place of the latest ones in the legend.
function tell(host, plot, given, say) {
  const items = host.parentElement.querySelectorAll(".legend li b");
  let shown = 0;
  given.series.forEach((s, i) => {
    if (s.edge) return;
    const item = items[shown++];
    if (!item) return;
    item.dataset.last ??= item.textContent;
    const value = plot.cursor.idx === null || plot.cursor.idx === undefined ? null : plot.data[i + 1][plot.cursor.idx];
    item.textContent = plot.cursor.idx === null || plot.cursor.idx === undefined ? item.dataset.last : value === null || value === undefined ? "–" : say(value);
  });
}

function drawAll(root = document) {
  for (const host of root.querySelectorAll(".chart[data-chart]")) draw(host);
}

const resized = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const plot = charts.get(target);
    if (plot && Math.abs(plot.width - target.clientWidth) > 1) plot.setSize({ width: target.clientWidth, height: target.clientHeight });
  }
});

function ready(root) {
  drawAll(root);
  for (const host of root.querySelectorAll(".chart[data-chart]")) resized.observe(host);
}

// --- The live part: left alone while paused, hidden, failing, or in use.
let paused = false;
document.addEventListener("htmx:beforeRequest", (event) => {
  const live = event.target;
  if (live.id !== "live") return;
  const inUse = live.contains(document.activeElement) || live.querySelector("details[open]") || live.matches(":has(.chart:hover)");
  if (paused || document.hidden || inUse) event.preventDefault();
});
document.addEventListener("htmx:afterSwap", (event) => ready(event.target.id === "live" ? document.getElementById("live") : event.target));
document.addEventListener("htmx:sendError", () => stale(true));
document.addEventListener("htmx:afterRequest", (event) => { if (event.detail.successful) stale(false); });

function stale(is) {
  const button = document.getElementById("pause");
  if (!button) return;
  button.dataset.stale = is ? "yes" : "";
  button.textContent = paused ? "Go on" : is ? "No answer, trying again" : "Pause";
}

// --- Menu and colours.
const themes = ["system", "light", "dark"];
function theme() {
  try { return localStorage.getItem("llm-gateway-theme") || "system"; } catch { return "system"; }
}
function nextTheme() {
  const next = themes[(themes.indexOf(theme()) + 1) % themes.length];
  try {
    if (next === "system") localStorage.removeItem("llm-gateway-theme");
    else localStorage.setItem("llm-gateway-theme", next);
  } catch { /* no storage: for this page only */ }
  if (next === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  document.getElementById("theme").textContent = "Colours: " + next;
  drawAll();
}

// --- The playground: the explanation as HTML from the server, the answer as it streams.
async function ask(form) {
  const $ = (id) => document.getElementById(id);
  const data = new FormData(form);
  const started = performance.now();
  let first = null;
  $("result").hidden = false;
  $("answer").textContent = "";
  $("figures").replaceChildren();
  $("progress").textContent = "Waiting for the first word…";
  $("send").disabled = true;
  $("stop").hidden = false;
  const stop = new AbortController();
  $("stop").onclick = () => stop.abort();
  try {
    const response = await fetch("/dashboard/playground/stream", { method: "POST", body: new URLSearchParams(data), signal: stop.signal });
    if (!response.ok) {
      const said = await response.json().catch(() => ({}));
      throw new Error(said.error ? `${said.error.type}: ${said.error.message}` : `the gateway answered ${response.status}`);
    }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let held = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const events = (held + value).split("\n\n");
      held = events.pop();
      for (const event of events) {
        if (!event.startsWith("data: ") || event === "data: [DONE]") continue;
        const frame = JSON.parse(event.slice(6));
        if (frame.error) throw new Error(`${frame.error.type}: ${frame.error.message}`);
        if (frame.chunk) {
          first ??= performance.now() - started;
          $("answer").append(frame.chunk);
          $("progress").textContent = "Streaming…";
        }
        if (frame.finished) finished(frame, first, performance.now() - started);
      }
    }
  } catch (failure) {
    $("progress").textContent = failure.name === "AbortError" ? "Stopped: the call upstream was ended too." : "Failed. " + failure.message;
  } finally {
    $("send").disabled = false;
    $("stop").hidden = true;
  }
}

function finished(frame, first, total) {
  const usage = frame.usage || {};
  const cost = frame.cost === null || frame.cost === undefined ? "unknown" : "$" + Number(frame.cost).toFixed(6);
  const rows = [
    ["Answered by", `${frame.provider || "the cache"}${frame.model ? " / " + frame.model : ""}`],
    ["Cost", cost],
    ["Tokens", `${usage.input_tokens ?? "?"} in, ${usage.output_tokens ?? "?"} out${usage.estimated ? " (estimated)" : ""}`],
    ["First word", first === null ? "–" : units.seconds(first / 1000)],
    ["All of it", units.seconds(total / 1000)],
    ["Cache", frame.cached ? "hit" : "no hit"],
    ["Sensitive", frame.sensitivity && frame.sensitivity.sensitive ? "yes: " + frame.sensitivity.kinds.join(", ") : "no"],
    ["Why there", (frame.route && frame.route.reason) || "–"],
  ];
  const list = document.getElementById("figures");
  for (const [name, value] of rows) {
    const term = document.createElement("dt");
    const text = document.createElement("dd");
    term.textContent = name;
    text.textContent = value;
    list.append(term, text);
  }
  if (frame.correlation_id) {
    const term = document.createElement("dt");
    const text = document.createElement("dd");
    const link = document.createElement("a");
    term.textContent = "Every decision";
    link.href = "/dashboard/requests/" + encodeURIComponent(frame.correlation_id);
    link.textContent = frame.correlation_id;
    text.append(link);
    list.append(term, text);
  }
  document.getElementById("progress").textContent = "Complete.";
}

document.addEventListener("DOMContentLoaded", () => {
  ready(document);
  document.getElementById("theme")?.addEventListener("click", nextTheme);
  if (document.getElementById("theme")) document.getElementById("theme").textContent = "Colours: " + theme();
  document.getElementById("menu")?.addEventListener("click", (event) => {
    const open = document.getElementById("side").classList.toggle("open");
    event.currentTarget.setAttribute("aria-expanded", String(open));
  });
  document.getElementById("pause")?.addEventListener("click", (event) => {
    paused = !paused;
    event.currentTarget.setAttribute("aria-pressed", String(paused));
    stale(false);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll());
  for (const form of document.querySelectorAll("form[data-confirm]")) {
    form.addEventListener("submit", (event) => { if (!confirm(form.dataset.confirm)) event.preventDefault(); });
  }
  for (const button of document.querySelectorAll("button[data-fill]")) {
    button.addEventListener("click", () => {
      const prompt = document.getElementById("prompt");
      prompt.value = button.dataset.fill;
      prompt.focus();
    });
  }
  document.getElementById("ask")?.addEventListener("submit", (event) => {
    if (event.submitter && event.submitter.id === "explain") return; // htmx asks for the explanation
    event.preventDefault();
    ask(event.currentTarget);
  });
});
