// Figures as people read them; serving/console/formats.py does the same on the server.

const NOTHING = "–";
const SCALES = [[1e9, "B"], [1e6, "M"], [1e3, "K"]];
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

const given = (format) => (value) => (value === null || value === undefined ? NOTHING : format(value));

export const count = given((value) => whole.format(value));
export const percent = given((value) => `${(value * 100).toFixed(2)}%`);
export const milliseconds = given((value) => `${value.toFixed(0)} ms`);
export const usd = given((value) => {
  const [scale, letter] = SCALES.find(([least]) => value >= least) ?? [1, ""];
  return `$${(value / scale).toFixed(2)}${letter}`;
});

export const age = given((seconds) => {
  if (seconds < 60) return `${Math.max(seconds, 0).toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} d`;
});
