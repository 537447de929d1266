/**
 * Unlearning by one step of gradient ascent, judged by the KKT conditions of margin maximisation:
 * `theory.unlearning` in double precision. The point to forget is the first.
 */

import { combine, nearest } from "./cone.js";
import { add, dot, norm, orthonormalise, outputs, products, reject, row } from "./network.js";

/** A pre-activation below this share of the largest is a kink that training has not reached. */
const TOLERANCE = 3e-4;

/** Gradient descent normalised by the loss, towards a large margin; see `train_to_large_margin`. */
export class Ascent {
  constructor(net, x, y, margin) {
    Object.assign(this, { net, x, y, goal: margin, n: y.length, steps: 0 });
    this.gram = products(x, x, net.d);
    this.start = products(net.w, x, net.d);
    this.z = Float64Array.from(this.start);
    this.moved = new Float64Array(this.z.length);
    const sums = y.map((_, i) =>
      row(this.gram, i, this.n).reduce((sum, value) => sum + Math.abs(value), 0),
    );
    this.rate = 0.5 / (Math.max(...sums) * dot(net.u, net.u));
    this.q = this.margins();
  }

  margins() {
    const { n, y, z } = this;
    const { u, width } = this.net;
    const q = new Float64Array(n);
    for (let j = 0; j < width; j++)
      for (let i = 0; i < n; i++) if (z[j * n + i] > 0) q[i] += u[j] * z[j * n + i];
    return q.map((value, i) => y[i] * value);
  }

  /** One step, unless the margin is reached; whether one was taken. */
  advance() {
    const { n, y, z, q, moved, gram, start } = this;
    const { u, width } = this.net;
    const smallest = Math.min(...q);
    if (smallest >= this.goal) return false;
    // The weights p of the points over the largest: |ℓ'(q)| = 1/(1 + e^q), by its logarithm.
    const slopes = q.map((value) =>
      value > 0 ? -value - Math.log1p(Math.exp(-value)) : -Math.log1p(Math.exp(value)),
    );
    const largest = Math.max(...slopes);
    const p = slopes.map((value) => Math.exp(value - largest));
    // Short steps at the end, for the oscillation about kinks to die down.
    const by = (smallest < 0.95 * this.goal ? 1 : 0.05) * this.rate;
    for (let j = 0; j < width; j++) {
      for (let i = 0; i < n; i++) if (z[j * n + i] > 0) moved[j * n + i] += by * u[j] * p[i] * y[i];
      for (let i = 0; i < n; i++)
        z[j * n + i] = start[j * n + i] + dot(moved, gram, j * n, i * n, n);
    }
    this.q = this.margins();
    this.steps += 1;
    return true;
  }

  network() {
    const { width, d } = this.net;
    const w = Float64Array.from(this.net.w);
    for (let j = 0; j < width; j++)
      for (let i = 0; i < this.n; i++) add(w, this.moved[j * this.n + i], this.x, j * d, i * d, d);
    return { ...this.net, w };
  }
}

/** The network with each neuron moved, by the least norm, to where small pre-activations are 0. */
export function snap(net, x) {
  const { width, d } = net;
  const n = x.length / d;
  const z = products(net.w, x, d);
  const w = Float64Array.from(net.w);
  const smallest = TOLERANCE * z.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const kinks = Array.from(z, (value) => Math.abs(value) <= smallest);
  for (let j = 0; j < width; j++) {
    const at = new Float64Array(n * d);
    for (let i = 0; i < n; i++) if (kinks[j * n + i]) at.set(row(x, i, d), i * d);
    w.set(reject(row(w, j, d), orthonormalise(at, d)), j * d);
  }
  const gates = products(w, x, d).map((value, k) => (!kinks[k] && value > 0 ? 1 : 0));
  return { net: { ...net, w }, pattern: { gates, kinks } };
}

/** The KKT conditions at θ/scale, scale the smallest margin, with gates and kinks as given. */
export function kkt(net, x, y, pattern) {
  const margins = outputs(net, x).map((value, i) => y[i] * value);
  const scale = Math.min(...margins);
  const found = nearest(
    net.w.map((value) => value / scale),
    net.u,
    x,
    y,
    net.d,
    pattern,
  );
  return { ...found, stationarity: norm(found.residual), scale, net, pattern };
}

/**
 * The V-curve at t = β/β*: the network after the step, its stationarity ε on the retained points
 * with the gates of θ kept, and the two sides between which theory has it.
 */
export function vCurve(explained, x, y, fraction) {
  const { net, pattern, weights, scale, stationarity } = explained;
  const { u, width, d } = net;
  const n = y.length;
  const first = weights.filter((_, k) => k % n === 0);
  const rest = (values) => values.filter((_, k) => k % n);
  const w = Float64Array.from(net.w);
  add(w, -fraction * scale, combine(u, first, x.subarray(0, d), y.subarray(0, 1), d));
  const retained = x.subarray(d);
  const after = kkt({ ...net, w }, retained, y.subarray(1), {
    gates: rest(pattern.gates),
    kinks: rest(pattern.kinks),
  });
  const amplitude = first.reduce((sum, value, j) => sum + (value * u[j]) ** 2, 0);
  const margin = after.scale / scale;
  const side = (part) =>
    Math.sqrt(stationarity ** 2 + (1 - fraction) ** 2 * amplitude * dot(part, part)) / margin;
  const forgotten = row(x, 0, d);
  return {
    epsilon: after.stationarity,
    margin,
    net: after.net,
    lower: side(reject(forgotten, orthonormalise(retained, d))),
    upper: side(forgotten),
  };
}
