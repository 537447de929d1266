/** The second panel: squared off-subspace gradients of many networks against their law χ²_ℓ. */

import { Chart, DOTS, number } from "./chart.js";
import { InSpan, chiSquared, dot, reject } from "./network.js";
import { random, subspaceScene } from "./scenes.js";

const NETWORKS = 120;
const MARGIN = 1;
const MOST_STEPS = 500;
const BINS = 24;
export const SAMPLES = 10;

/** Training ends where decay has left less of the weights off P: nothing more is to be seen. */
export const LEAST = 0.01;

/** A step of training, unless the margin is reached or nothing is left; whether one was taken. */
export function advance(training, { rate, decay }) {
  const goes = training.steps < MOST_STEPS && training.c > LEAST;
  return goes && training.advance(rate, decay, MARGIN);
}

/** Squared gradients at x0 off P and on P, in units of kσ²/m; null where no neuron is active. */
function squaredGradients(training, { x0, basis }, sigma) {
  const { gradient, active } = training.gradient(x0);
  if (!active) return null;
  const scale = (sigma ** 2 * active) / training.net.width;
  const off = reject(gradient, basis);
  return { off: dot(off, off) / scale, on: (dot(gradient, gradient) - dot(off, off)) / scale };
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

export class Law {
  constructor(settings) {
    Object.assign(this, { settings, drawn: [], done: false, steps: 0 });
  }

  /** The networks that have a gradient at x0. */
  get members() {
    return this.drawn.filter((member) => member.squared);
  }

  /** Draws the networks, one after another. */
  *prepare() {
    const { seed, sigma } = this.settings;
    for (let i = 0; i < NETWORKS; i++) {
      const scene = subspaceScene(random(seed, 2, i), this.settings, SAMPLES);
      const training = new InSpan(scene.net, scene.x, scene.y);
      const squared = squaredGradients(training, scene, sigma);
      this.drawn.push({ scene, training, squared, first: squared?.on ?? 0 });
      yield;
    }
  }

  advance(count) {
    this.done = true;
    for (const member of this.drawn) {
      let moved = false;
      for (let k = 0; k < count && advance(member.training, this.settings); k++) moved = true;
      if (!moved) continue;
      this.done = false;
      this.steps = Math.max(this.steps, member.training.steps);
      member.squared = squaredGradients(member.training, member.scene, this.settings.sigma);
    }
  }

  says() {
    const { ell } = this.settings;
    const { members } = this;
    if (!members.length) return "The networks are being drawn.";
    const c = members.map((member) => member.training.c ** 2);
    const off = members.map((member) => member.squared.off);
    const error = Math.sqrt((2 * ell * mean(c.map((each) => each ** 2))) / members.length);
    const grown =
      mean(members.map((member) => member.squared.on)) /
      mean(members.map((member) => member.first));
    return `After up to ${this.steps} steps the mean of ${members.length} networks is
      <b>${number(mean(off))}</b>; the law says ${number(ell * mean(c))}, give or take
      ${number(error)}. On P the squared gradient is ${number(grown)} times what it was at first.`;
  }

  draw(palette) {
    const { ell } = this.settings;
    const { members } = this;
    const high = ell + 5 * Math.sqrt(2 * ell);
    const places = Array.from({ length: 121 }, (_, k) => ((k + 0.5) * high) / 121);
    // Weight decay has left each network c of its weights off P, and c² of their squares.
    const shrunken = new Map();
    for (const { training } of members)
      shrunken.set(training.c, (shrunken.get(training.c) ?? 0) + 1 / members.length);
    const density = (value) => {
      const parts = [...shrunken].map(
        ([c, share]) => (share * chiSquared(value / c ** 2, ell)) / c ** 2,
      );
      return parts.reduce((sum, part) => sum + part, 0);
    };
    const line = places.map((place) => [place, density(place)]);
    const counts = new Float64Array(BINS);
    for (const { squared } of members) {
      const bin = Math.floor((squared.off / high) * BINS);
      if (bin < BINS) counts[bin] += BINS / high / members.length;
    }
    const start = places.map((place) => [place, chiSquared(place, ell)]);
    const top = Array.from(counts, (_, k) => chiSquared(((k + 0.5) * high) / BINS, ell));
    const chart = new Chart(palette, {
      x: { low: 0, high, label: "squared gradient off P: m‖Π⊥∇N(x₀)‖² / kσ²" },
      y: { low: 0, high: 1.2 * Math.max(...top, ...counts), label: "density" },
      legend: [
        { mark: "bar", colour: palette.blue, label: `${members.length} networks` },
        { mark: "line", colour: palette.ink, label: `theory, χ² with ℓ = ${ell}` },
      ],
    });
    counts.forEach((count, k) =>
      chart.bar((k * high) / BINS, ((k + 1) * high) / BINS, count, palette.blue),
    );
    if (shrunken.size !== 1 || !shrunken.has(1)) chart.line(start, palette.quiet, DOTS);
    chart.line(line, palette.ink);
    return chart.svg();
  }
}
