// Charts drawn by uPlot, in the colours of the page's theme.

const uPlot = window.uPlot;

function colour(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function faded(name, alpha) {
  const [r, g, b] = colour(name).match(/[\d.]+/g);
  return `rgba(${r}, ${g}, ${b}, ${alpha})`;
}

function fill(name, strength) {
  return (plot) => {
    const { top, height } = plot.bbox;
    const gradient = plot.ctx.createLinearGradient(0, top, 0, top + height);
    gradient.addColorStop(0, faded(name, strength));
    gradient.addColorStop(1, faded(name, 0));
    return gradient;
  };
}

// A chart that fits its element, is drawn anew when the theme changes, and keeps its data meanwhile.
class Chart {
  constructor(element, options) {
    this.element = element;
    this.options = options;
    this.data = null;
    new ResizeObserver(() => this.plot?.setSize(this.size())).observe(element);
  }

  size() {
    return { width: this.element.clientWidth, height: this.element.clientHeight };
  }

  show(data) {
    this.data = data;
    if (this.plot) this.plot.setData(data);
    else this.redraw();
  }

  redraw() {
    if (!this.data) return;
    this.plot?.destroy();
    this.plot = new uPlot({ ...this.size(), ...this.options() }, this.data, this.element);
  }
}

const percentTicks = (_, values) => values.map((value) => `${+(value * 100).toFixed(1)}%`);
const countTicks = (_, values) => values.map((value) => (value >= 1000 ? `${+(value / 1000).toFixed(1)}k` : value));
const HOUR = 3600;
const wholeHours = (_, low, high) => [low - HOUR / 2, high + HOUR / 2];
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

// The time of day, and the date once: at the first tick and wherever it changes.
function hourTicks(_, values) {
  const dates = values.map((value) => day.format(value * 1000));
  return values.map((value, index) => {
    const time = clock.format(value * 1000);
    if (dates[index] === dates[index - 1]) return time;
    return time === "00:00" || time === "24:00" ? `${dates[index]}` : `${time}\n${dates[index]}`;
  });
}

const font = "12px system-ui, sans-serif";

function rateRange(_, low, high) {
  if (low === null) return [0, 1];
  const room = Math.max((high - low) * 0.25, 0.01);
  return [Math.max(0, low - room), Math.min(1, high + room)];
}

export function trendChart(element) {
  const axis = () => ({ stroke: colour("muted"), font, ticks: { show: false }, grid: { stroke: colour("line"), width: 1 } });
  return new Chart(element, () => ({
    legend: { show: false },
    padding: [12, 4, 0, 0],
    cursor: { y: false, points: { size: 8 } },
    scales: { x: { range: wholeHours }, rate: { range: rateRange }, volume: { range: (_, __, high) => [0, (high || 1) * 2.2] } },
    axes: [
      { ...axis(), grid: { show: false }, size: 40, values: hourTicks },
      { ...axis(), scale: "rate", values: percentTicks, size: 54 },
      { ...axis(), scale: "volume", side: 1, values: countTicks, grid: { show: false }, size: 48 },
    ],
    series: [
      {},
      {
        scale: "volume", fill: faded("volume", 0.45), points: { show: false },
        paths: uPlot.paths.bars({ size: [0.72, 40], radius: 0.25 }),
      },
      { scale: "rate", stroke: colour("good"), width: 2.5, paths: uPlot.paths.spline(), points: { show: false }, spanGaps: false },
    ],
    hooks: { setCursor: [showReadout] },
  }));
}

// Says in words what is under the pointer, in a corner of the chart.
function showReadout(plot) {
  const at = plot.cursor.idx;
  const readout = plot.over.querySelector(".readout") ?? plot.over.appendChild(Object.assign(document.createElement("p"), { className: "readout" }));
  readout.hidden = at === null || at === undefined || plot.data[2][at] === null;
  if (readout.hidden) return;
  const time = new Date(plot.data[0][at] * 1000).toLocaleString("en-GB", { weekday: "short", hour: "2-digit", minute: "2-digit" });
  readout.textContent = `${time}  ${(plot.data[2][at] * 100).toFixed(2)}%  of ${plot.data[1][at].toLocaleString("en-US")}`;
}

export function sparkline(element, token, range) {
  return new Chart(element, () => ({
    legend: { show: false },
    cursor: { show: false },
    padding: [4, 0, 0, 0],
    scales: { y: { range } },
    axes: [{ show: false }, { show: false }],
    series: [{}, { stroke: colour(token), width: 2, fill: fill(token, 0.28), points: { show: false } }],
  }));
}

export const fromZero = (_, __, high) => [0, (high || 1) * 1.15];
export { rateRange };
