/**
 * The mathematics of the page: two-layer ReLU networks N(x) = Σ_j u_j σ(⟨w_j, x⟩), in double
 * precision, with the conventions of the Python package `theory`, against which it is tested.
 *
 * Points, weights and bases are Float64Arrays, one row after another. A network is
 * {w: (width, d), u: (width), width, d}; u_j = ±1/√width stays, w is trained.
 */

export function dot(a, b, i = 0, j = 0, length = a.length) {
  let sum = 0;
  for (let k = 0; k < length; k++) sum += a[i + k] * b[j + k];
  return sum;
}

/** a += factor · b, from places i and j on. */
export function add(a, factor, b, i = 0, j = 0, length = b.length) {
  for (let k = 0; k < length; k++) a[i + k] += factor * b[j + k];
}

export const norm = (a) => Math.sqrt(dot(a, a));

/** A row of a matrix, without a copy. */
export const row = (a, i, length) => a.subarray(i * length, (i + 1) * length);

/** X Yᵀ for rows of length d. */
export function products(x, y, d) {
  const n = x.length / d;
  const m = y.length / d;
  const out = new Float64Array(n * m);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < m; j++) out[i * m + j] = dot(x, y, i * d, j * d, d);
  return out;
}

/** Rows that are an orthonormal basis of the span of the rows; a dependent row becomes zero. */
export function orthonormalise(rows, d) {
  const q = Float64Array.from(rows);
  const n = rows.length / d;
  for (let i = 0; i < n; i++) {
    const own = row(q, i, d);
    const smallest = 64 * 2 ** -52 * norm(own);
    // Cleared of the earlier ones twice, which brings orthogonality to rounding.
    for (let pass = 0; pass < 2; pass++)
      for (let j = 0; j < i; j++) add(own, -dot(row(q, j, d), own), row(q, j, d));
    const length = norm(own);
    for (let k = 0; k < d; k++) own[k] = length > smallest ? own[k] / length : 0;
  }
  return q;
}

/** Π_{P^⊥} v for a basis of P in rows. */
export function reject(v, basis) {
  const out = Float64Array.from(v);
  const d = v.length;
  for (let i = 0; i < basis.length / d; i++) add(out, -dot(row(basis, i, d), v), row(basis, i, d));
  return out;
}

/** N at every row of x. */
export function outputs(net, x) {
  const z = products(x, net.w, net.d);
  return Float64Array.from({ length: x.length / net.d }, (_, i) =>
    valueOf(row(z, i, net.width), net.u),
  );
}

/** Σ_j u_j σ(z_j). */
export function valueOf(z, u) {
  let sum = 0;
  for (let j = 0; j < u.length; j++) if (z[j] > 0) sum += u[j] * z[j];
  return sum;
}

/** −ℓ'(q) of the logistic loss ℓ(q) = log(1 + e^{−q}). */
export const slope = (q) => 1 / (1 + Math.exp(q));

/**
 * One step of gradient descent on the mean logistic loss with weight decay λ, in full dimension,
 * w ← (1 − ηλ)w − η∇, unless every y_i N(x_i) is at the target. Changes net.w; returns whether.
 */
export function step(net, x, y, rate, decay, target = Infinity) {
  const { w, u, width, d } = net;
  const n = y.length;
  const z = products(x, w, d);
  const q = y.map((label, i) => label * valueOf(row(z, i, width), u));
  if (Math.min(...q) >= target) return false;
  const left = 1 - rate * decay;
  for (let k = 0; k < w.length; k++) w[k] *= left;
  for (let i = 0; i < n; i++) {
    const pull = (rate / n) * y[i] * slope(q[i]);
    for (let j = 0; j < width; j++)
      if (z[i * width + j] > 0) add(w, pull * u[j], x, j * d, i * d, d);
  }
  return true;
}

/**
 * The same descent at a cost free of d: W stays c·W(0) + C·X, so only Z = c·Z(0) + C·G is needed,
 * with the Gram matrix G = XXᵀ.
 */
export class InSpan {
  constructor(net, x, y) {
    Object.assign(this, { net, x, y, n: y.length, c: 1, steps: 0 });
    this.gram = products(x, x, net.d);
    this.start = products(net.w, x, net.d);
    this.z = Float64Array.from(this.start);
    this.coefficients = new Float64Array(net.width * this.n);
  }

  /** The margins y_i N(x_i). */
  margins() {
    const { u, width } = this.net;
    const q = new Float64Array(this.n);
    for (let j = 0; j < width; j++)
      for (let i = 0; i < this.n; i++) {
        const z = this.z[j * this.n + i];
        if (z > 0) q[i] += this.y[i] * u[j] * z;
      }
    return q;
  }

  /** One step, unless the smallest margin is there; whether one was taken. */
  advance(rate, decay, target) {
    const q = this.margins();
    if (Math.min(...q) >= target) return false;
    const { n, y, z, start, gram, coefficients: C } = this;
    const { u, width } = this.net;
    const left = 1 - rate * decay;
    this.c *= left;
    for (let j = 0; j < width; j++) {
      for (let i = 0; i < n; i++) {
        const k = j * n + i;
        C[k] = left * C[k] + (z[k] > 0 ? (rate / n) * slope(q[i]) * y[i] * u[j] : 0);
      }
      for (let i = 0; i < n; i++)
        z[j * n + i] = this.c * start[j * n + i] + dot(C, gram, j * n, i * n, n);
    }
    this.steps += 1;
    return true;
  }

  /** ∇N(x) and the number of active neurons, without rebuilding the weights. */
  gradient(x) {
    const { net, n, c, coefficients: C } = this;
    const { w, u, width, d } = net;
    const along = products(this.x, x, d);
    const shares = new Float64Array(n);
    const found = new Float64Array(d);
    let active = 0;
    for (let j = 0; j < width; j++) {
      if (c * dot(w, x, j * d, 0, d) + dot(C, along, j * n, 0, n) <= 0) continue;
      add(found, c * u[j], w, 0, j * d, d);
      add(shares, u[j], C, 0, j * n, n);
      active += 1;
    }
    for (let i = 0; i < n; i++) add(found, shares[i], this.x, 0, i * d, d);
    return { gradient: found, active };
  }

  /** The network with its weights rebuilt. */
  network() {
    const { width, d } = this.net;
    const w = this.net.w.map((value) => this.c * value);
    for (let j = 0; j < width; j++)
      for (let i = 0; i < this.n; i++)
        add(w, this.coefficients[j * this.n + i], this.x, j * d, i * d, d);
    return { ...this.net, w };
  }
}

/** ∇N(x), and the number k of neurons active there. */
export function gradient(net, x) {
  const { w, u, width, d } = net;
  const found = new Float64Array(d);
  let active = 0;
  for (let j = 0; j < width; j++)
    if (dot(w, x, j * d, 0, d) > 0) {
      add(found, u[j], w, 0, j * d, d);
      active += 1;
    }
  return { gradient: found, active };
}

/** v = Σ_j sign(u_j)·Π_{P^⊥}w_j, along which every point of P flips. */
export function universalDirection(net, basis) {
  const v = new Float64Array(net.d);
  for (let j = 0; j < net.width; j++) add(v, Math.sign(net.u[j]), net.w, 0, j * net.d, net.d);
  return reject(v, basis);
}

/**
 * The smallest t > 0 at which Σ_j u_j σ(a_j + t·b_j) has lost the sign it has at 0, or infinity.
 * It is piecewise linear with kinks at −a_j/b_j, so the answer is exact.
 */
export function firstCrossing(a, b, u) {
  const at = (t) => u.reduce((sum, value, j) => sum + value * Math.max(0, a[j] + t * b[j]), 0);
  const kinks = Array.from(a, (value, j) => -value / b[j]).filter((t) => t > 0 && t < Infinity);
  const sign = Math.sign(at(0));
  let before = 0;
  let value = at(0);
  for (const t of kinks.sort((s, t) => s - t)) {
    const next = at(t);
    if (Math.sign(next) !== sign) return before + ((t - before) * value) / (value - next || 1);
    [before, value] = [t, next];
  }
  // Past the last kink the slope is that of the neurons which grow for ever.
  const final = u.reduce((sum, each, j) => sum + (b[j] > 0 ? each * b[j] : 0), 0);
  return final * sign < 0 ? before - value / final : Infinity;
}

/** The distance from x along a direction of any length to the first change of sign. */
export function flipDistance(net, x, direction) {
  const length = norm(direction) || 1;
  const unit = direction.map((value) => value / length);
  return firstCrossing(products(net.w, x, net.d), products(net.w, unit, net.d), net.u);
}

/** The density of χ²_ℓ. */
export function chiSquared(value, ell) {
  // log Γ(ℓ/2), from Γ(1) = 1 or Γ(½) = √π by Γ(a + 1) = aΓ(a).
  let log = ell % 2 ? Math.log(Math.PI) / 2 : 0;
  for (let a = ell % 2 ? 0.5 : 1; a < ell / 2; a++) log += Math.log(a);
  return Math.exp((ell / 2 - 1) * Math.log(value) - value / 2 - (ell / 2) * Math.LN2 - log);
}
