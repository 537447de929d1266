/** What is random on the page: a seeded generator, and the scenes of the theorems drawn from it. */

import { norm, orthonormalise, row } from "./network.js";

/** A 32-bit hash of an integer (splitmix32's finaliser). */
function mixed(value) {
  let h = (value + 0x9e3779b9) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * Random numbers that integers name: xoshiro128** (Blackman and Vigna 2018), and Gaussians by
 * Marsaglia's polar method.
 */
export function random(...labels) {
  let state = labels.reduce((hash, label) => mixed(hash ^ mixed(label)), 0);
  const s = Uint32Array.from({ length: 4 }, () => (state = mixed(state)));
  const left = (value, by) => (value << by) | (value >>> (32 - by));
  let spare = null;

  function bits() {
    const result = Math.imul(left(Math.imul(s[1], 5), 7), 9) >>> 0;
    const moved = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= moved;
    s[3] = left(s[3], 11);
    return result;
  }

  /** Uniform on [0, 1), with all 53 bits of a double. */
  const uniform = () => ((bits() >>> 5) * 2 ** 26 + (bits() >>> 6)) * 2 ** -53;

  function normal() {
    if (spare !== null) {
      const value = spare;
      spare = null;
      return value;
    }
    let a, b, square;
    do {
      a = 2 * uniform() - 1;
      b = 2 * uniform() - 1;
      square = a * a + b * b;
    } while (square >= 1 || square === 0);
    const factor = Math.sqrt((-2 * Math.log(square)) / square);
    spare = b * factor;
    return a * factor;
  }

  const sign = () => (bits() >>> 31 ? 1 : -1);
  const fill = (length, one) => Float64Array.from({ length }, one);
  return {
    bits,
    uniform,
    normals: (length, scale = 1) => fill(length, () => scale * normal()),
    signs: (length) => fill(length, sign),
  };
}

/** w_j ~ N(0, σ²I_d) and u_j = ±1/√width, uniform signs. */
export function initial(draw, d, width, sigma) {
  const w = draw.normals(width * d, sigma);
  return { w, u: draw.signs(width).map((sign) => sign / Math.sqrt(width)), width, d };
}

/** A uniformly random subspace P of R^d of dimension dim: an orthonormal basis, in rows. */
export const subspace = (draw, d, dim) => orthonormalise(draw.normals(dim * d), d);

/** Uniform points of norm √d in a subspace. */
export function pointsIn(draw, basis, d, count) {
  const dim = basis.length / d;
  const x = new Float64Array(count * d);
  for (let i = 0; i < count; i++) {
    const coordinates = draw.normals(dim);
    const scale = Math.sqrt(d) / norm(coordinates);
    for (let j = 0; j < dim; j++)
      for (let k = 0; k < d; k++) x[i * d + k] += scale * coordinates[j] * basis[j * d + k];
  }
  return x;
}

/** Points of P with random labels, another point x0 of P, a network: `theory.subspace.scene`. */
export function subspaceScene(draw, { d, ell, width, sigma }, samples) {
  const basis = subspace(draw, d, d - ell);
  const points = pointsIn(draw, basis, d, samples + 1);
  const x0 = row(points, 0, d);
  const x = points.subarray(d);
  const y = draw.signs(samples);
  return { basis, x, y, x0, net: initial(draw, d, width, sigma) };
}

/** The coordinate along the second direction of P, the same for every point of the diagonal. */
export const HEIGHT = 0.5;

/**
 * Seven points of a line in P with alternating labels, the line that Figure 2 of the paper has as
 * a diagonal. They are √d·(t·p + HEIGHT·e) with p, e ∈ P orthonormal: the constant part along e
 * gives every neuron a bias, without which no network tells seven points of a line through 0 apart.
 */
export function diagonalScene(draw, { d, ell, width, sigma }) {
  const basis = subspace(draw, d, d - ell);
  const root = Math.sqrt(d);
  const t = Float64Array.from({ length: 7 }, (_, i) => i / 3 - 1);
  const x = new Float64Array(7 * d);
  for (let i = 0; i < 7; i++)
    for (let k = 0; k < d; k++) x[i * d + k] = root * (t[i] * basis[k] + HEIGHT * basis[d + k]);
  return { basis, t, x, y: t.map((_, i) => (i % 2 ? 1 : -1)), net: initial(draw, d, width, sigma) };
}

/** Points N(0, I/d), random labels, and a network of small weights: `theory.unlearning.scene`. */
export function gaussianScene(draw, { d, width, sigma }, samples) {
  const x = draw.normals(samples * d, 1 / Math.sqrt(d));
  const y = draw.signs(samples);
  return { x, y, net: initial(draw, d, width, 1e-3 * sigma) };
}
