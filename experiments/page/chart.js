/** Charts as SVG text: axes with ticks, lines, marks and a legend, in the colours of Okabe and Ito. */

export const LIGHT = {
  surface: "#ffffff",
  ink: "#1c2330",
  quiet: "#586374",
  line: "#dde2e9",
  blue: "#0072b2",
  vermilion: "#d55e00",
  green: "#009e73",
  minus: "#f4cdb5",
  plus: "#b9d7ec",
};
export const DARK = {
  surface: "#171c24",
  ink: "#e8ecf2",
  quiet: "#a3adba",
  line: "#323b48",
  blue: "#56b4e9",
  vermilion: "#e98a3c",
  green: "#2fc39b",
  minus: "#5c3a26",
  plus: "#1f4760",
};

/** A drawing's size, and where its plot lies in it. */
export const SIZE = { width: 400, height: 312 };
export const BOX = { left: 56, top: 40, width: 332, height: 222 };

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif';

/** A number of three digits for reading. */
export function number(value) {
  if (!Number.isFinite(value)) return "∞";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) {
    const [digits, power] = value.toExponential(1).split("e");
    const raised = [...`${+power}`]
      .map((each) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(each)])
      .join("");
    return `${digits} × 10${raised}`.replace("-", "−");
  }
  const decimals = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return (size >= 0.1 || !size ? value.toFixed(decimals) : value.toPrecision(2)).replace("-", "−");
}

/** Round numbers between two ends, about as many as are asked for. */
export function ticks(low, high, count = 5) {
  const rough = (high - low) / count,
    power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((each) => each * power >= rough);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++)
    found.push(k * step);
  return found;
}

const plain = (value) => `${+value.toPrecision(3)}`.replace("-", "−");
const at = (value) => value.toFixed(2);

export class Chart {
  /** x, y: {low, high, label, log, ticks}; `legend`: entries {mark, colour, label}. */
  constructor(palette, { x, y, legend }) {
    Object.assign(this, { palette, x, y, legend, inside: [], marks: [] });
  }

  #place(axis, value, length) {
    const { low, high, log } = axis,
      of = log ? Math.log : (each) => each;
    return (length * (of(value) - of(low))) / (of(high) - of(low));
  }

  /** Where a value lies inside the plot. */
  X(value) {
    return this.#place(this.x, value, BOX.width);
  }
  Y(value) {
    return BOX.height - this.#place(this.y, value, BOX.height);
  }

  path(commands, colour, more = "") {
    this.inside.push(
      `<path d="${commands}" fill="none" stroke="${colour}" stroke-width="2" ${more}/>`,
    );
  }

  line(points, colour, more) {
    const there = points.filter(([, value]) => Number.isFinite(value));
    this.path(
      there.map(([x, y], i) => `${i ? "L" : "M"}${at(this.X(x))} ${at(this.Y(y))}`).join(""),
      colour,
      more,
    );
  }

  /** The area between two curves over the same places. */
  band(lower, upper, colour) {
    if (!lower.length) return;
    const all = [...lower, ...upper.toReversed()];
    const outline = all
      .map(([x, y], i) => `${i ? "L" : "M"}${at(this.X(x))} ${at(this.Y(y))}`)
      .join("");
    this.inside.push(`<path d="${outline}Z" fill="${colour}" fill-opacity="0.25"/>`);
  }

  bar(from, to, height, colour) {
    const left = this.X(from),
      top = this.Y(height);
    const size = `width="${at(this.X(to) - left - 1)}" height="${at(BOX.height - top)}"`;
    this.inside.push(
      `<rect x="${at(left)}" y="${at(top)}" ${size} fill="${colour}" fill-opacity="0.55"/>`,
    );
  }

  mark(kind, x, y, colour, more) {
    this.marks.push(mark(kind, BOX.left + this.X(x), BOX.top + this.Y(y), colour, more));
  }

  /** A dotted line across, at a place of one axis. */
  vertical(x) {
    this.path(
      `M${at(this.X(x))} 0V${BOX.height}`,
      this.palette.quiet,
      'stroke-width="1" stroke-dasharray="2 3"',
    );
  }

  #axes() {
    const { palette, x, y } = this,
      parts = [];
    const text = (left, top, anchor, content) =>
      parts.push(
        `<text x="${at(left)}" y="${at(top)}" text-anchor="${anchor}" fill="${palette.quiet}">${content}</text>`,
      );
    for (const value of x.ticks ?? ticks(x.low, x.high)) {
      const left = BOX.left + this.X(value),
        bottom = BOX.top + BOX.height;
      parts.push(`<path d="M${at(left)} ${bottom}v4" stroke="${palette.quiet}"/>`);
      text(left, bottom + 17, "middle", plain(value));
    }
    for (const value of y.ticks ?? ticks(y.low, y.high, 4)) {
      const top = BOX.top + this.Y(value);
      parts.push(`<path d="M${BOX.left} ${at(top)}h-4" stroke="${palette.quiet}"/>`);
      text(BOX.left - 7, top + 4, "end", plain(value));
    }
    parts.push(
      `<path d="M${BOX.left} ${BOX.top}v${BOX.height}h${BOX.width}" fill="none" stroke="${palette.quiet}"/>`,
    );
    parts.push(
      `<text x="${BOX.left + BOX.width / 2}" y="${SIZE.height - 12}" text-anchor="middle" fill="${palette.ink}">${x.label}</text>`,
    );
    const middle = BOX.top + BOX.height / 2;
    parts.push(
      `<text transform="translate(14 ${middle}) rotate(-90)" text-anchor="middle" fill="${palette.ink}">${y.label}</text>`,
    );
    return parts.join("");
  }

  #legend() {
    let left = BOX.left;
    let top = 14;
    return this.legend
      .map((entry) => {
        const needed = 36 + 6.7 * entry.label.length;
        if (left > BOX.left && left + needed > SIZE.width) [left, top] = [BOX.left, top + 16];
        const shown = mark(entry.mark, left + 9, top - 4, entry.colour);
        const text = `<text x="${left + 22}" y="${top}" fill="${this.palette.ink}">${entry.label}</text>`;
        left += needed;
        return shown + text;
      })
      .join("");
  }

  /** What is inside an svg element of this SIZE; `under` lies below the lines. */
  svg(under = "") {
    const { left, top, width, height } = BOX;
    const inner = `<svg x="${left}" y="${top}" width="${width}" height="${height}">${this.inside.join("")}</svg>`;
    return `<g font-family='${FONT}' font-size="12">${under}${this.#axes()}${inner}${this.marks.join("")}${this.#legend()}</g>`;
  }
}

function mark(kind, x, y, colour, more = "") {
  const stroke = `stroke="${colour}" stroke-width="2"`;
  switch (kind) {
    case "line":
      return `<path d="M${x - 9} ${y}h18" ${stroke} ${more}/>`;
    case "dashes":
      return `<path d="M${x - 9} ${y}h18" ${stroke} stroke-dasharray="5 3" ${more}/>`;
    case "bar":
      return `<rect x="${x - 7}" y="${y - 5}" width="14" height="10" fill="${colour}" fill-opacity="0.55" ${more}/>`;
    case "square":
      return `<rect x="${at(x - 3.5)}" y="${at(y - 3.5)}" width="7" height="7" fill="${colour}" ${more}/>`;
    case "triangle":
      return `<path d="M${at(x)} ${at(y - 4)}l5 8h-10z" fill="none" ${stroke} ${more}/>`;
    case "diamond":
      return `<path d="M${at(x)} ${at(y - 6)}l6 6-6 6-6-6z" fill="${colour}" ${more}/>`;
    default:
      return `<circle cx="${at(x)}" cy="${at(y)}" r="4" fill="${colour}" ${more}/>`;
  }
}
