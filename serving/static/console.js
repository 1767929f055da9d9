// Keeps the page live: figures from the event stream, the hourly chart from the API, the badge from the clock.

import * as format from "./format.js";
import { fromZero, rateRange, sparkline, trendChart } from "./charts.js";

const SLOW_AFTER = 10;
const STALE_AFTER = 30;
const SILENT_AFTER = 6;
const DAYS_SHOWN = { last_hour: 1, last_24_hours: 1, last_7_days: 7, all_time: 30 };

const byId = (id) => document.getElementById(id);
const windowName = document.body.dataset.window;
const formats = {
  approval_rate: format.percent, first_attempt_approval_rate: format.percent, high_risk_share: format.percent,
  attempts: format.count, declined: format.count, last_batch_id: format.count,
  approved_amount_usd: format.usd, average_ticket_usd: format.usd, average_latency_ms: format.milliseconds,
};
const charts = {
  trend: trendChart(byId("trend")),
  throughput: sparkline(byId("spark-throughput"), "volume", fromZero),
  approval: sparkline(byId("spark-approval"), "good", rateRange),
};
const state = { pulses: [], newest: null, through: null, skew: 0, heardAt: null, problem: null };

// --- figures -------------------------------------------------------------------------------------------------

function showKpi(kpi) {
  for (const element of document.querySelectorAll("[data-kpi]")) {
    const text = formats[element.dataset.kpi](kpi[element.dataset.kpi]);
    if (element.textContent !== text) element.textContent = text;
  }
  showNotice(kpi.attempts ? null : "No payments in this window yet");
}

function showNotice(title) {
  byId("notice").hidden = title === null;
  if (title !== null && byId("notice-title").textContent !== title) byId("notice-title").textContent = title;
}

// --- right now -----------------------------------------------------------------------------------------------

const seconds = (text) => new Date(text).getTime() / 1000;

// Change between each pulse and the one about `span` seconds before it, as [time, attempts, approved, seconds].
function changes(span) {
  let from = 0;
  return state.pulses.slice(1).map((pulse, index) => {
    while (from < index && state.pulses[from + 1].at <= pulse.at - span) from += 1;
    const before = state.pulses[from];
    return [pulse.at, pulse.attempts - before.attempts, pulse.approved - before.approved, pulse.at - before.at];
  });
}

function showPulses() {
  const rates = changes(5).map(([at, attempts, , span]) => [at, Math.max(0, attempts) / span]);
  const approvals = changes(60).map(([at, attempts, approved]) => [at, attempts > 0 ? approved / attempts : null]);
  const columns = (rows) => [rows.map((row) => row[0]), rows.map((row) => row[1])];
  if (rates.length < 2) return;
  charts.throughput.show(columns(rates));
  charts.approval.show(columns(approvals));
  byId("live-throughput").textContent = format.count(rates.at(-1)[1]);
  byId("live-approval").textContent = format.percent(approvals.at(-1)[1]);
}

function addPulse(pulse) {
  state.pulses.push({ ...pulse, at: seconds(pulse.at) });
  if (state.pulses.length > 300) state.pulses.shift();
}

// --- freshness -----------------------------------------------------------------------------------------------

const ageOf = (instant) => (instant === null ? null : Date.now() / 1000 + state.skew - instant);

function badge() {
  const silent = state.heardAt === null || performance.now() / 1000 - state.heardAt > SILENT_AFTER;
  if (silent) return state.heardAt === null ? ["waiting", "Connecting"] : ["stale", "Connection lost"];
  if (state.problem) return ["stale", state.problem];
  const age = ageOf(state.through);
  if (age === null) return ["waiting", "Waiting for the stream"];
  if (age > STALE_AFTER) return ["stale", "Stream stopped"];
  return age > SLOW_AFTER ? ["slow", "Falling behind"] : ["live", "Live"];
}

function tick() {
  const [name, label] = badge();
  byId("badge").dataset.state = name;
  if (byId("badge-state").textContent !== label) byId("badge-state").textContent = label;
  byId("badge-age").textContent = state.through === null ? "" : format.age(ageOf(state.through));
  byId("newest-age").textContent = format.age(ageOf(state.newest));
}

// --- the stream ----------------------------------------------------------------------------------------------

function listen() {
  const source = new EventSource(`/api/analytics/kpis/stream?window=${windowName}`);
  const on = (name, handle) => source.addEventListener(name, (event) => {
    state.heardAt = performance.now() / 1000;
    handle(JSON.parse(event.data));
  });
  on("history", (pulses) => {
    state.pulses = [];
    pulses.forEach(addPulse);
    showPulses();
  });
  on("kpi", ({ kpi, pulse }) => {
    state.problem = null;
    state.skew = seconds(pulse.at) - Date.now() / 1000;
    state.newest = kpi.newest_event_at && seconds(kpi.newest_event_at);
    state.through = kpi.data_through && seconds(kpi.data_through);
    addPulse(pulse);
    showKpi(kpi);
    showPulses();
  });
  on("unavailable", ({ title, detail }) => {
    state.problem = title;
    showNotice(detail);
  });
  addEventListener("pagehide", () => source.close());
}

// --- the hourly chart ----------------------------------------------------------------------------------------

async function loadTrend() {
  const from = new Date(Date.now() - DAYS_SHOWN[windowName] * 86400e3).toISOString();
  const response = await fetch(`/api/analytics/trends?from=${from}&limit=1000`);
  if (!response.ok) return;
  const { points } = await response.json();
  charts.trend.show([points.map((p) => seconds(p.hour)), points.map((p) => p.attempts), points.map((p) => p.approval_rate)]);
  byId("trend").setAttribute("aria-label", describe(points));
}

function describe(points) {
  const rates = points.map((point) => point.approval_rate).filter((rate) => rate !== null);
  if (!rates.length) return "Approval rate by hour: no payments yet";
  const [low, high, last] = [Math.min(...rates), Math.max(...rates), rates.at(-1)].map(format.percent);
  return `Approval rate by hour over ${rates.length} hours: between ${low} and ${high}, most recently ${last}`;
}

async function keepTrend() {
  try {
    await loadTrend();
  } catch (error) {
    console.warn("the hourly chart could not be loaded; trying again", error);
  }
  setTimeout(keepTrend, charts.trend.data ? 30_000 : 5_000);
}

// --- theme ---------------------------------------------------------------------------------------------------

const redraw = () => Object.values(charts).forEach((chart) => chart.redraw());

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  localStorage.setItem("theme", name);
  byId("theme-name").textContent = name;
  redraw();
}

const THEMES = ["auto", "light", "dark"];
byId("theme-name").textContent = document.documentElement.dataset.theme;
byId("theme").addEventListener("click", () => {
  setTheme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length]);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

listen();
keepTrend();
setInterval(tick, 200);
