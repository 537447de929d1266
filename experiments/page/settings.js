/** The settings of the page: their bounds, how an address has them, and what follows from them. */

/** Names as everywhere in the project; σ in units of 1/√d and η in units of 1/d. */
export const SETTINGS = {
  d: { low: 20, high: 150, step: 1, value: 58 },
  ell: { low: 1, high: 148, step: 1, value: 48 },
  width: { low: 10, high: 200, step: 1, value: 100 },
  scale: { low: 0.1, high: 2, step: 0.05, value: 1 },
  learning_rate: { low: 0.5, high: 8, step: 0.5, value: 4 },
  weight_decay: { low: 0, high: 0.1, step: 0.001, value: 0 },
  fraction: { low: 0, high: 2, step: 0.05, value: 1 },
  seed: { low: 0, high: 4294967295, step: 1, value: 0 },
};

/** Every setting within its bounds and on its grid, ℓ ≤ d − 2; what is no number is the default. */
export function complete(given) {
  const found = {};
  for (const [name, { low, high, step, value }] of Object.entries(SETTINGS)) {
    const text = `${given[name] ?? ""}`.trim();
    const wanted = text === "" ? NaN : Number(text);
    const kept = Number.isFinite(wanted) ? Math.min(high, Math.max(low, wanted)) : value;
    // To 12 digits, so that 21 steps of .05 are 1.05.
    found[name] = +(low + step * Math.round((kept - low) / step)).toPrecision(12);
  }
  found.ell = Math.min(found.ell, found.d - 2);
  return found;
}

/** Settings as the part of an address after #. */
export const written = (settings) => new URLSearchParams(settings).toString();

/** Settings from the part of an address after #. */
export const read = (hash) =>
  complete(Object.fromEntries(new URLSearchParams(hash.replace(/^#/, ""))));

/** What the mathematics takes: σ, η and λ as numbers. */
export function derived(settings) {
  const { d, scale, learning_rate, weight_decay } = settings;
  return { ...settings, sigma: scale / Math.sqrt(d), rate: learning_rate / d, decay: weight_decay };
}
