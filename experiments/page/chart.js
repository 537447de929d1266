/** Charts as SVG text: axes with ticks, lines, marks and a legend, in Okabe and Ito's colours. */

export const LIGHT = {
  surface: "#ffffff",
  ink: "#1c2330",
  quiet: "#586374",
  blue: "#0072b2",
  vermilion: "#d55e00",
  green: "#009e73",
  minus: "#f4cdb5",
  plus: "#b9d7ec",
};

/** The same, lighter, for a dark page. */
export const DARK = {
  surface: "#171c24",
  ink: "#e8ecf2",
  quiet: "#a3adba",
  blue: "#56b4e9",
  vermilion: "#e98a3c",
  green: "#2fc39b",
  minus: "#5c3a26",
  plus: "#1f4760",
};

/** A drawing's size, and where its plot lies in it. */
export const SIZE = { width: 400, height: 312 };
export const BOX = { left: 56, top: 40, width: 332, height: 222 };

export const DASHES = { "stroke-dasharray": "5 3" };
export const DOTS = { "stroke-width": 1.2, "stroke-dasharray": "2 3" };

const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif";

/** An element with its attributes, as text. */
export function element(name, attributes, content = "") {
  const pairs = Object.entries(attributes).map(([key, value]) => ` ${key}="${value}"`);
  return `<${name}${pairs.join("")}>${content}</${name}>`;
}

/** A number of about three digits, for reading. */
export function number(value) {
  if (!Number.isFinite(value)) return "∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e5) {
    const [digits, power] = value.toExponential(1).split("e");
    const raised = [..."-0123456789"].reduce(
      (text, each, k) => text.replaceAll(each, "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"[k]),
      `${+power}`,
    );
    return `${digits} × 10${raised}`.replace("-", "−");
  }
  const decimals = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  const text = size < 0.1 ? value.toPrecision(2) : value.toFixed(decimals);
  return text.replace("-", "−");
}

/** Round numbers between two ends, about as many as are asked for. */
export function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((each) => each * power >= rough);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, k) => (first + k) * step);
}

const short = (value) => `${+value.toPrecision(3)}`.replace("-", "−");
const at = (value) => value.toFixed(2);

export class Chart {
  /** x, y: {low, high, label, log, ticks}; `legend`: entries {mark, colour, label}. */
  constructor(palette, { x, y, legend }) {
    Object.assign(this, { palette, x, y, legend, inside: [], marks: [] });
  }

  #place({ low, high, log }, value, length) {
    const of = log ? Math.log : (each) => each;
    return (length * (of(value) - of(low))) / (of(high) - of(low));
  }

  /** Where a value lies inside the plot. */
  X(value) {
    return this.#place(this.x, value, BOX.width);
  }

  Y(value) {
    return BOX.height - this.#place(this.y, value, BOX.height);
  }

  #along(points) {
    const there = points.filter(([, value]) => Number.isFinite(value));
    return there.map(([x, y]) => `${at(this.X(x))} ${at(this.Y(y))}`).join("L");
  }

  /** Commands in units of the plot, which cuts off what lies beyond. */
  path(d, colour, more = {}) {
    const look = { d, fill: "none", stroke: colour, "stroke-width": 2, ...more };
    this.inside.push(element("path", look));
  }

  line(points, colour, more) {
    if (points.length) this.path(`M${this.#along(points)}`, colour, more);
  }

  /** The area between two curves over the same places. */
  band(lower, upper, colour) {
    const outline = [...lower, ...upper.toReversed()];
    const look = { stroke: "none", fill: colour, "fill-opacity": 0.25 };
    if (outline.length) this.path(`M${this.#along(outline)}Z`, colour, look);
  }

  bar(from, to, height, colour) {
    const [x, y] = [this.X(from), this.Y(height)];
    const size = { width: at(this.X(to) - x - 1), height: at(BOX.height - y) };
    const look = { x: at(x), y: at(y), ...size, fill: colour, "fill-opacity": 0.55 };
    this.inside.push(element("rect", look));
  }

  mark(kind, x, y, colour, more) {
    this.marks.push(mark(kind, BOX.left + this.X(x), BOX.top + this.Y(y), colour, more));
  }

  /** A dotted line at a place of the horizontal axis. */
  vertical(x) {
    this.path(`M${at(this.X(x))} 0V${BOX.height}`, this.palette.quiet, DOTS);
  }

  #text(x, y, content, more) {
    return element("text", { x: at(x), y: at(y), fill: this.palette.ink, ...more }, content);
  }

  #axes() {
    const { palette, x, y } = this;
    const { left, top, width, height } = BOX;
    const bottom = top + height;
    const parts = [];
    let strokes = `M${left} ${top}V${bottom}H${left + width}`;
    const tick = (across, down, anchor, value) =>
      parts.push(
        this.#text(across, down, short(value), { "text-anchor": anchor, fill: palette.quiet }),
      );
    for (const value of x.ticks ?? ticks(x.low, x.high, 5)) {
      const place = left + this.X(value);
      strokes += `M${at(place)} ${bottom}v4`;
      tick(place, bottom + 17, "middle", value);
    }
    for (const value of y.ticks ?? ticks(y.low, y.high, 4)) {
      const place = top + this.Y(value);
      strokes += `M${left} ${at(place)}h-4`;
      tick(left - 7, place + 4, "end", value);
    }
    const middle = { "text-anchor": "middle" };
    const turned = { ...middle, transform: `translate(14 ${top + height / 2}) rotate(-90)` };
    return [
      ...parts,
      element("path", { d: strokes, fill: "none", stroke: palette.quiet }),
      this.#text(left + width / 2, SIZE.height - 12, x.label, middle),
      this.#text(0, 0, y.label, turned),
    ].join("");
  }

  #legend() {
    let [x, y] = [BOX.left, 14];
    const parts = this.legend.map((entry) => {
      const needed = 36 + 6.7 * entry.label.length;
      if (x > BOX.left && x + needed > SIZE.width) [x, y] = [BOX.left, y + 16];
      const shown =
        mark(entry.mark, x + 9, y - 4, entry.colour) + this.#text(x + 22, y, entry.label);
      x += needed;
      return shown;
    });
    return parts.join("");
  }

  /** What is inside an svg element of this SIZE; `under` lies below everything. */
  svg(under = "") {
    const { left: x, top: y, width, height } = BOX;
    const plot = element("svg", { x, y, width, height }, this.inside.join(""));
    const all = [under, this.#axes(), plot, ...this.marks, this.#legend()];
    return element("g", { "font-family": FONT, "font-size": 12 }, all.join(""));
  }
}

/** A mark around a place of the drawing. */
function mark(kind, x, y, colour, more = {}) {
  const line = { fill: "none", stroke: colour, "stroke-width": 2, ...more };
  const path = (d, look) => element("path", { d: `M${at(x)} ${at(y)}${d}`, ...look });
  const filled = { fill: colour, ...more };
  switch (kind) {
    case "line":
      return path("m-9 0h18", line);
    case "dashes":
      return path("m-9 0h18", { ...line, ...DASHES });
    case "bar":
      return path("m-7-5h14v10h-14z", { ...filled, "fill-opacity": 0.55 });
    case "square":
      return path("m-3.5-3.5h7v7h-7z", filled);
    case "triangle":
      return path("m0-4l5 8h-10z", line);
    case "diamond":
      return path("m0-6l6 6-6 6-6-6z", filled);
    default:
      return element("circle", { cx: at(x), cy: at(y), r: 4, ...filled });
  }
}
