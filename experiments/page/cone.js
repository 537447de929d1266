/**
 * The point of the cone of Clarke gradients that is nearest to the weights, as
 * `theory.unlearning.cone` finds it: the convex quadratic program
 *
 *   min ½ Σ_j ‖w_j − u_j Σ_i M_ji y_i x_i‖²,  M_ji = λ_i gate_ji off kinks, 0 ≤ M_ji ≤ λ_i at them,
 *
 * by a primal-dual interior-point method (Nocedal and Wright 2006, section 16.6). Every kink
 * belongs to one neuron, so a step costs a small system per neuron and one for λ.
 */

import { add, dot, norm, orthonormalise, products, row } from "./network.js";

const STEPS = 100;
const STALLED = 1e-4;
const CENTRE = 0.1;
const BOUNDARY = 0.995;
/** Complementarity left, and curvature added in every step; see `theory.unlearning.cone`. */
const GAP = 1e-4 * 2 ** -52;
const PROXIMAL = 0.01 * 2 ** -26;

/** Turns the table [a | b] of n rows into [· | a⁻¹b], for a positive definite a: no pivots. */
function solve(table, n, columns) {
  for (let k = 0; k < n; k++) {
    const own = row(table, k, columns);
    const pivot = own[k];
    for (let j = 0; j < columns; j++) own[j] /= pivot;
    for (let i = 0; i < n; i++) if (i !== k) add(table, -table[i * columns + k], own, i * columns);
  }
}

/** Row j of Σ_i λ_i y_i ∇N(x_i): u_j Σ_i M_ji y_i x_i. */
export function combine(u, weights, x, y, d) {
  const n = y.length;
  const out = new Float64Array(u.length * d);
  for (let j = 0; j < u.length; j++)
    for (let i = 0; i < n; i++) add(out, u[j] * weights[j * n + i] * y[i], x, j * d, i * d, d);
  return out;
}

/** The problem in coordinates of the span of the data, and in units of order one. */
function scaled(w, u, x, y, d) {
  const n = y.length;
  const m = u.length;
  const unitX = Math.max(...y.map((_, i) => norm(row(x, i, d))));
  const unitU = norm(u);
  const unitW = norm(w);
  // The d axes where the points span all there is, else a basis of their span.
  const axes = Float64Array.from({ length: d * d }, (_, k) => (k % (d + 1) ? 0 : 1));
  const frame = n < d ? orthonormalise(x, d) : axes;
  const r = frame.length / d;
  const signed = products(x, frame, d).map((value, k) => (y[Math.floor(k / r)] * value) / unitX);
  const target = products(w, frame, d).map((value) => value / unitW);
  const out = u.map((value) => value / unitU);
  return {
    m,
    n,
    r,
    signed,
    target,
    out,
    gram: products(signed, signed, r),
    unit: unitW / (unitX * unitU),
  };
}

/** u_j⟨residual of row j, y_i x_i⟩: how the objective falls as M_ji grows. */
function pulls({ m, n, r, signed, target, out }, gates, lam, mu) {
  const found = new Float64Array(m * n);
  for (let j = 0; j < m; j++) {
    const rest = Float64Array.from(row(target, j, r));
    for (let i = 0; i < n; i++)
      add(rest, -out[j] * (gates[j * n + i] * lam[i] + mu[j * n + i]), row(signed, i, r));
    for (let i = 0; i < n; i++) found[j * n + i] = out[j] * dot(rest, row(signed, i, r));
  }
  return found;
}

/** Newton's direction from a point of the interior, the constraints' multipliers eliminated. */
function direction(problem, { gates, kinks }, point, aim) {
  const { m, n, out, gram } = problem;
  const { lam, mu, room, zLam, zLow, zHigh } = point;
  const pull = pulls(problem, gates, lam, mu);
  const columns = 2 * n + 1;
  // The equations of λ, into which those of every neuron's kinks are eliminated.
  const total = new Float64Array(n * (n + 1));
  const tables = [];
  for (let i = 0; i < n; i++) {
    total[i * (n + 1) + i] = zLam[i] / lam[i] + PROXIMAL;
    total[i * (n + 1) + n] = aim / lam[i];
  }
  for (let j = 0; j < m; j++) {
    const table = new Float64Array(n * columns);
    const cross = new Float64Array(n * n);
    const square = out[j] ** 2;
    for (let i = 0; i < n; i++) {
      const k = j * n + i;
      const barrier = kinks[k] ? zHigh[k] / room[k] : 0;
      for (let l = 0; l < n; l++) {
        const curvature = square * gram[i * n + l];
        if (kinks[k] && kinks[j * n + l]) table[i * columns + l] = curvature;
        cross[i * n + l] = kinks[k] ? curvature * gates[j * n + l] : 0;
        total[i * (n + 1) + l] += gates[k] * gates[j * n + l] * curvature;
      }
      table[i * columns + i] += kinks[k] ? zLow[k] / mu[k] + barrier + PROXIMAL : 1;
      cross[i * n + i] -= barrier;
      table.set(row(cross, i, n), i * columns + n);
      table[i * columns + 2 * n] = kinks[k] ? pull[k] + aim / mu[k] - aim / room[k] : 0;
      total[i * (n + 1) + i] += barrier;
      total[i * (n + 1) + n] += gates[k] * pull[k] + (kinks[k] ? aim / room[k] : 0);
    }
    solve(table, n, columns);
    for (let k = 0; k < n; k++)
      for (let i = 0; i < n; i++) {
        const factor = cross[k * n + i];
        for (let l = 0; l <= n; l++) total[i * (n + 1) + l] -= factor * table[k * columns + n + l];
      }
    tables.push(table);
  }
  solve(total, n, n + 1);
  const dLam = Float64Array.from({ length: n }, (_, i) => total[i * (n + 1) + n]);
  const dMu = new Float64Array(m * n);
  const dRoom = new Float64Array(m * n);
  const dLow = new Float64Array(m * n);
  const dHigh = new Float64Array(m * n);
  for (let k = 0; k < m * n; k++) {
    if (!kinks[k]) continue;
    const i = k % n;
    const table = tables[(k - i) / n];
    dMu[k] = table[i * columns + 2 * n] - dot(table, dLam, i * columns + n, 0, n);
    dRoom[k] = dLam[i] - dMu[k];
    dLow[k] = aim / mu[k] - zLow[k] - (zLow[k] / mu[k]) * dMu[k];
    dHigh[k] = aim / room[k] - zHigh[k] - (zHigh[k] / room[k]) * dRoom[k];
  }
  const dZ = lam.map((value, i) => aim / value - zLam[i] - (zLam[i] / value) * dLam[i]);
  return { lam: dLam, mu: dMu, room: dRoom, zLam: dZ, zLow: dLow, zHigh: dHigh };
}

/**
 * Multipliers λ ≥ 0 and weights M, gate times multiplier, that explain w best, and the residual.
 * gates: 0 or 1 off kinks and 0 at them; kinks: where the gate is free. Both (width, n).
 */
export function nearest(w, u, x, y, d, pattern) {
  const problem = scaled(w, u, x, y, d);
  const { m, n, r, signed, target, out, unit } = problem;
  const { gates, kinks } = pattern;
  const free = kinks.reduce((sum, kink) => sum + (kink ? 1 : 0), 0);
  // Start from equal multipliers of the size that fits best, kinks half open.
  const shape = new Float64Array(m * r);
  for (let j = 0; j < m; j++)
    for (let i = 0; i < n; i++)
      add(
        shape,
        out[j] * (gates[j * n + i] + (kinks[j * n + i] ? 0.5 : 0)),
        signed,
        j * r,
        i * r,
        r,
      );
  const fit = dot(target, shape) / Math.max(dot(shape, shape), Number.MIN_VALUE);
  const first = Number.isFinite(fit) && fit > 0 ? fit : 1;
  const ones = (length, value) => new Float64Array(length).fill(value);
  const at = (value) => Float64Array.from(kinks, (kink) => (kink ? value : 0));
  const point = {
    lam: ones(n, first),
    mu: at(first / 2),
    room: at(first / 2),
    zLam: ones(n, 1 / first),
    zLow: at(1 / first),
    zHigh: at(1 / first),
  };
  for (let count = 0; count < STEPS; count++) {
    const complementarity =
      dot(point.lam, point.zLam) + dot(point.mu, point.zLow) + dot(point.room, point.zHigh);
    const gap = complementarity / (n + 2 * free);
    if (!(gap > GAP)) break;
    const change = direction(problem, pattern, point, CENTRE * gap);
    let longest = Infinity;
    for (const name in point)
      change[name].forEach((by, k) => {
        if (by < 0) longest = Math.min(longest, -point[name][k] / by);
      });
    const move = Math.min(1, BOUNDARY * longest);
    if (!(move > STALLED)) break;
    for (const name in point) add(point[name], move, change[name]);
  }
  const multipliers = point.lam.map((value) => unit * value);
  const weights = Float64Array.from(
    gates,
    (gate, k) => gate * multipliers[k % n] + unit * point.mu[k],
  );
  const residual = Float64Array.from(w);
  add(residual, -1, combine(u, weights, x, y, d));
  return { multipliers, weights, residual };
}
