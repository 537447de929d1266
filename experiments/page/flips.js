/** The third panel: how far off P the smallest flip lies, against √(d/ℓ), over several ℓ. */

import { Chart, number } from "./chart.js";
import { MARGIN, SAMPLES } from "./law.js";
import {
  InSpan,
  dot,
  flipDistance,
  gradient,
  norm,
  outputs,
  reject,
  universalDirection,
} from "./network.js";
import { random, subspaceScene } from "./scenes.js";

const SIZES = 6;
const EACH = 16;
const MOST_STEPS = 400;

/** Values of ℓ from 4 to d − 2, evenly spaced on a logarithmic scale. */
export function sizes(d) {
  const ratio = ((d - 2) / 4) ** (1 / (SIZES - 1));
  return Array.from({ length: SIZES }, (_, k) => Math.round(4 * ratio ** k));
}

/**
 * One network, trained: the distance to the flip of x0, the smaller of those along its gradient off
 * P and along the universal direction, over |N(x0)|; ‖Π_{P^⊥}∇N(x0)‖; and c, what decay has left.
 * Null where no active neuron opposes the sign of N(x0).
 */
function* flips(draw, settings) {
  const { rate, decay } = settings;
  const scene = subspaceScene(draw, settings, SAMPLES);
  const { x0, basis } = scene;
  const training = new InSpan(scene.net, scene.x, scene.y);
  while (training.steps < MOST_STEPS && training.advance(rate, decay, MARGIN))
    if (training.steps % 50 === 0) yield;
  const net = training.network();
  const [value] = outputs(net, x0);
  const sign = Math.sign(value);
  const { d } = net;
  const off = reject(gradient(net, x0).gradient, basis);
  const v = universalDirection(net, basis);
  const opposed = net.u.some((each, j) => each * sign < 0 && dot(net.w, x0, j * d, 0, d) > 0);
  if (!opposed || !sign) return null;
  const along = (direction) =>
    flipDistance(
      net,
      x0,
      direction.map((each) => -sign * each),
    ) / Math.abs(value);
  return { flip: Math.min(along(off), along(v)), gradient: norm(off), c: training.c };
}

export class Flips {
  constructor(settings) {
    Object.assign(this, {
      settings,
      found: sizes(settings.d).map((ell) => ({ ell, networks: [] })),
    });
  }

  /** Trains the networks, one of each ℓ in turn. */
  *prepare() {
    const { seed } = this.settings;
    for (let i = 0; i < EACH; i++)
      for (const [k, { ell, networks }] of this.found.entries()) {
        const one = yield* flips(random(seed, 3, k, i), { ...this.settings, ell });
        if (one) networks.push(one);
        yield;
      }
  }

  /** (mean of ‖Π_{P^⊥}∇N‖²)^{−½}, which theory has at √2/(cσ√ℓ) exactly. */
  firstOrder({ networks }) {
    return Math.sqrt(networks.length / networks.reduce((sum, one) => sum + one.gradient ** 2, 0));
  }

  /** √2/(cσ√ℓ), with c² the mean over all networks. */
  theory(ell) {
    const all = this.found.flatMap(({ networks }) => networks.map((one) => one.c ** 2));
    const kept = Math.sqrt(all.reduce((sum, value) => sum + value, 0) / all.length);
    return Math.SQRT2 / (kept * this.settings.sigma * Math.sqrt(ell));
  }

  /** The least-squares slope of log first order against log √(d/ℓ). */
  exponent() {
    const points = this.found.map((one) => [
      -Math.log(one.ell) / 2,
      Math.log(this.firstOrder(one)),
    ]);
    const [a, b] = [0, 1].map(
      (k) => points.reduce((sum, point) => sum + point[k], 0) / points.length,
    );
    const across = points.reduce((sum, [x, y]) => sum + (x - a) * (y - b), 0);
    return across / points.reduce((sum, [x]) => sum + (x - a) ** 2, 0);
  }

  says() {
    if (this.found.some(({ networks }) => !networks.length))
      return "The networks are being trained.";
    const last = this.found.at(-1);
    const nearest = Math.min(...last.networks.map((one) => one.flip));
    return `To first order the distance grows as √(d/ℓ) to the power
      <b>${number(this.exponent())}</b>, and theory says 1. At ℓ = ${last.ell} it is
      ${number(this.firstOrder(last))} (theory ${number(this.theory(last.ell))}) for each unit of
      |N|; the nearest flip of ${last.networks.length} networks lies at ${number(nearest)}.`;
  }

  draw(palette) {
    const { d, ell, sigma } = this.settings;
    const place = (size) => Math.sqrt(d / size);
    const unit = 1 / (sigma * Math.sqrt(d));
    const all = this.found.map(({ ell }) => place(ell));
    const kept = this.found[0].networks.length ? (this.theory(1) * sigma) / Math.SQRT2 : 1;
    const marks = [1, 2, 5].flatMap((digit) =>
      [-2, -1, 0, 1, 2, 3].map((power) => digit * 10 ** power),
    );
    const ends = { low: 0.5 * unit * kept, high: 8 * all[0] * unit * kept };
    const chart = new Chart(palette, {
      x: {
        low: all.at(-1) / 1.1,
        high: all[0] * 1.1,
        log: true,
        label: "√(d/ℓ)",
        ticks: marks.filter((each) => each > all.at(-1) / 1.1 && each < all[0] * 1.1),
      },
      y: {
        ...ends,
        log: true,
        label: "distance to the flip / |N(x₀)|",
        ticks: marks.filter((each) => each > ends.low && each < ends.high),
      },
      legend: [
        { mark: "dot", colour: palette.vermilion, label: "smallest flip" },
        { mark: "diamond", colour: palette.blue, label: "first order" },
        { mark: "line", colour: palette.ink, label: "theory, √2/cσ√ℓ" },
      ],
    });
    chart.vertical(place(ell));
    chart.line(
      [0.9 * all.at(-1), 1.1 * all[0]].map((x) => [x, Math.SQRT2 * kept * unit * x]),
      palette.ink,
    );
    this.found.forEach((one, k) => {
      // Flips beyond the picture, and those that are nowhere, are open triangles at its edge.
      for (const { flip } of one.networks)
        if (flip < ends.high)
          chart.mark("dot", all[k], flip, palette.vermilion, { "fill-opacity": 0.4 });
        else chart.mark("triangle", all[k], ends.high, palette.vermilion);
      if (one.networks.length)
        chart.mark("diamond", all[k], this.firstOrder(one), palette.blue, {
          stroke: palette.surface,
        });
    });
    return chart.svg();
  }
}
