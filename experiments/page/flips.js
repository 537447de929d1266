/** The third panel: how far off P the smallest flip lies, against √(d/ℓ), over several ℓ. */

import { Chart, number } from "./chart.js";
import { SAMPLES, advance } from "./law.js";
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
const EACH = 24;

/** Values of ℓ from 4 to d − 2, evenly spaced on a logarithmic scale. */
export function sizes(d) {
  const ratio = ((d - 2) / 4) ** (1 / (SIZES - 1));
  return Array.from({ length: SIZES }, (_, k) => Math.round(4 * ratio ** k));
}

/**
 * One network, trained: the distance to the flip of x0, the smaller of those along its gradient off
 * P and along the universal direction, over |N(x0)|; and ‖Π_{P^⊥}∇N(x0)‖. Both as if there were no
 * decay, which has left c of the weights off P. Null where no active neuron opposes the sign of N.
 */
function* flips(draw, settings) {
  const scene = subspaceScene(draw, settings, SAMPLES);
  const { x0, basis } = scene;
  const training = new InSpan(scene.net, scene.x, scene.y);
  while (advance(training, settings)) if (training.steps % 50 === 0) yield;
  const net = training.network();
  const [value] = outputs(net, x0);
  const sign = Math.sign(value);
  const { d } = net;
  const off = reject(gradient(net, x0).gradient, basis);
  const v = universalDirection(net, basis);
  const opposed = net.u.some((each, j) => each * sign < 0 && dot(net.w, x0, j * d, 0, d) > 0);
  if (!opposed || !sign) return null;
  const along = (direction) => {
    const toward = direction.map((each) => -sign * each);
    return (training.c * flipDistance(net, x0, toward)) / Math.abs(value);
  };
  return { flip: Math.min(along(off), along(v)), gradient: norm(off) / training.c };
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

  /** (mean of ‖Π_{P^⊥}∇N‖²)^{−½}, which theory has at √2/(σ√ℓ) exactly. */
  firstOrder({ networks }) {
    return Math.sqrt(networks.length / networks.reduce((sum, one) => sum + one.gradient ** 2, 0));
  }

  theory(ell) {
    return Math.SQRT2 / (this.settings.sigma * Math.sqrt(ell));
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
    const { d, ell } = this.settings;
    const place = (size) => Math.sqrt(d / size);
    const all = this.found.map(({ ell }) => place(ell));
    const marks = [1, 2, 5].flatMap((digit) =>
      [-2, -1, 0, 1, 2, 3].map((power) => digit * 10 ** power),
    );
    const ends = { low: 0.35 * this.theory(d), high: 6 * this.theory(this.found[0].ell) };
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
        label: "c · distance to the flip / |N(x₀)|",
        ticks: marks.filter((each) => each > ends.low && each < ends.high),
      },
      legend: [
        { mark: "dot", colour: palette.vermilion, label: "smallest flip" },
        { mark: "diamond", colour: palette.blue, label: "first order" },
        { mark: "line", colour: palette.ink, label: "theory" },
      ],
    });
    chart.vertical(place(ell));
    chart.line(
      [0.9 * all.at(-1), 1.1 * all[0]].map((x) => [x, this.theory(d) * x]),
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
