/** The first panel: decision regions around seven points of a line, along it and across it. */

import { BOX, Chart, DASHES, number } from "./chart.js";
import {
  dot,
  flipDistance,
  norm,
  outputs,
  reject,
  row,
  step,
  universalDirection,
} from "./network.js";
import { LEAST } from "./law.js";
import { HEIGHT, diagonalScene, random } from "./scenes.js";

/** The published panels stop at this smallest margin. */
const MARGIN = 0.3;
const MOST_STEPS = 50_000;
/** Half the sides of the picture, in units of √d, and the grid on which it is computed. */
const SIDE = 1.2;
const RISE = (SIDE * BOX.height) / BOX.width;
const COLUMNS = 96;
const ROWS = 64;

/** The median of seven numbers. */
const middle = (values) => [...values].sort((a, b) => a - b)[3];

export class Diagonal {
  constructor(settings) {
    this.settings = settings;
    const { d, seed } = settings;
    const scene = diagonalScene(random(seed, 1), settings);
    Object.assign(this, scene, {
      steps: 0,
      left: 1,
      done: false,
      start: Float64Array.from(scene.net.w),
    });
    const v = universalDirection(scene.net, scene.basis);
    const length = norm(v);
    this.direction = v.map((value) => value / length);
    this.axes = [row(scene.basis, 0, d), row(scene.basis, 1, d), this.direction];
    this.values = new Float64Array(COLUMNS * ROWS);
    this.look();
  }

  advance(count) {
    const { rate, decay } = this.settings;
    for (let k = 0; k < count && !this.done; k++) {
      this.done = !step(this.net, this.x, this.y, rate, decay, MARGIN);
      if (this.done) break;
      this.steps += 1;
      this.left *= 1 - rate * decay;
      this.done = this.steps >= MOST_STEPS || this.left < LEAST;
    }
    this.look();
  }

  /** Pre-activations of the drawn plane √d(t·p + HEIGHT·e + h·v) are a_j·t + b_j + c_j·h. */
  look() {
    const { w, u, width, d } = this.net;
    const root = Math.sqrt(d);
    const [a, b, c] = this.axes.map((axis, k) =>
      u.map((_, j) => (k === 1 ? HEIGHT : 1) * root * dot(w, axis, j * d, 0, d)),
    );
    this.planes = { a, b, c };
    const start = new Float64Array(width);
    for (let r = 0; r < ROWS; r++) {
      const h = RISE * (1 - (2 * r + 1) / ROWS);
      for (let j = 0; j < width; j++) start[j] = b[j] + c[j] * h;
      for (let s = 0; s < COLUMNS; s++) {
        const t = SIDE * ((2 * s + 1) / COLUMNS - 1);
        let sum = 0;
        for (let j = 0; j < width; j++) {
          const z = start[j] + a[j] * t;
          if (z > 0) sum += u[j] * z;
        }
        this.values[r * COLUMNS + s] = sum;
      }
    }
  }

  /** Where theory has the boundary above a place of the line: −N/(cσ√(dℓ)·k/m), to first order. */
  predicted(t) {
    const { a, b } = this.planes;
    const { u, width } = this.net;
    const { d, ell, sigma } = this.settings;
    let value = 0;
    let active = 0;
    for (let j = 0; j < width; j++) {
      const z = a[j] * t + b[j];
      if (z > 0) [value, active] = [value + u[j] * z, active + 1];
    }
    return (-value * width) / (active * this.left * sigma * Math.sqrt(d * ell));
  }

  /** Distances of the seven points to the boundary along the direction, over √d, and theory's. */
  distances() {
    const { net, x, t, direction } = this;
    const { d } = this.settings;
    const values = outputs(net, x);
    const measured = Array.from(t, (_, i) => {
      const toward = direction.map((each) => -Math.sign(values[i]) * each);
      return flipDistance(net, row(x, i, d), toward) / Math.sqrt(d);
    });
    return { measured, predicted: Array.from(t, (each) => Math.abs(this.predicted(each))) };
  }

  /** ‖Π_{P^⊥}(W(T) − c_T W(0))‖ over ‖W(0)‖. */
  drift() {
    const { d, width } = this.net;
    const moved = this.net.w.map((value, k) => value - this.left * this.start[k]);
    let squared = 0;
    for (let j = 0; j < width; j++) {
      const off = reject(row(moved, j, d), this.basis);
      squared += dot(off, off);
    }
    return Math.sqrt(squared) / norm(this.start);
  }

  says() {
    const { measured, predicted } = this.distances();
    const values = outputs(this.net, this.x);
    const right = values.filter((value, i) => value * this.y[i] > 0).length;
    return `After ${this.steps} steps ${right} of 7 points are on their side. The boundary passes
      them at a median distance of <b>${number(middle(measured))}</b>, where theory says
      ${number(middle(predicted))}; off P the weights have moved by ${number(this.drift())} of their
      length, but for decay.`;
  }

  /** Paints the regions. */
  paint(canvas, palette) {
    [canvas.width, canvas.height] = [COLUMNS, ROWS];
    const context = canvas.getContext("2d");
    const image = context.createImageData(COLUMNS, ROWS);
    const colours = [palette.minus, palette.plus].map((hex) => Number.parseInt(hex.slice(1), 16));
    this.values.forEach((value, k) => {
      const colour = colours[value > 0 ? 1 : 0];
      image.data.set([colour >> 16, (colour >> 8) & 255, colour & 255, 255], 4 * k);
    });
    context.putImageData(image, 0, 0);
  }

  draw(palette, under) {
    const chart = new Chart(palette, {
      x: { low: -SIDE, high: SIDE, label: "along the line in P: t", ticks: [-1, -0.5, 0, 0.5, 1] },
      y: { low: -RISE, high: RISE, label: "off P, along v: h", ticks: [-0.5, 0, 0.5] },
      legend: [
        { mark: "line", colour: palette.green, label: "boundary" },
        { mark: "dashes", colour: palette.ink, label: "theory" },
        { mark: "dot", colour: palette.blue, label: "y = +1" },
        { mark: "square", colour: palette.vermilion, label: "y = −1" },
      ],
    });
    chart.path(contour(this.values), palette.green, { "stroke-linecap": "round" });
    const places = Array.from({ length: 161 }, (_, k) => SIDE * (k / 80 - 1));
    chart.line(
      places.map((t) => [t, this.predicted(t)]),
      palette.ink,
      DASHES,
    );
    this.t.forEach((t, i) => {
      const [kind, colour] = this.y[i] > 0 ? ["dot", palette.blue] : ["square", palette.vermilion];
      chart.mark(kind, t, 0, colour, { stroke: palette.surface });
    });
    return chart.svg(under);
  }
}

/** Where the values on the grid are 0, as segments of a path over the plot: marching squares. */
function contour(values) {
  const parts = [];
  const x = BOX.width / COLUMNS;
  const y = BOX.height / ROWS;
  const cut = (p, q) => {
    const share = p.value / (p.value - q.value);
    const place = (name, unit) => ((p[name] + share * (q[name] - p[name]) + 0.5) * unit).toFixed(1);
    return `${place("s", x)} ${place("r", y)}`;
  };
  for (let r = 0; r + 1 < ROWS; r++)
    for (let s = 0; s + 1 < COLUMNS; s++) {
      const corners = [
        [r, s],
        [r, s + 1],
        [r + 1, s + 1],
        [r + 1, s],
      ].map(([r, s]) => ({ r, s, value: values[r * COLUMNS + s] }));
      const cuts = corners.flatMap((p, k) => {
        const q = corners[(k + 1) % 4];
        return p.value > 0 !== q.value > 0 ? [cut(p, q)] : [];
      });
      for (let k = 0; k + 1 < cuts.length; k += 2) parts.push(`M${cuts[k]}L${cuts[k + 1]}`);
    }
  return parts.join("");
}
