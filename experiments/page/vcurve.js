/** The fourth panel: one step of gradient ascent, and stationarity against its size: a V. */

import { Chart, number } from "./chart.js";
import { outputs } from "./network.js";
import { gaussianScene, random } from "./scenes.js";
import { Ascent, kkt, snap, vCurve } from "./unlearning.js";

const POINTS = 6;
const GOAL = 300;
const FRACTIONS = Array.from({ length: 21 }, (_, k) => k / 10);

export class VCurve {
  constructor(settings) {
    Object.assign(this, { settings, curve: [], explained: null, now: null });
    this.scene = gaussianScene(random(settings.seed, 4), settings, POINTS);
  }

  /** Trains to a large margin, finds the multipliers, and then the curve, point by point. */
  *prepare() {
    const { x, y, net } = this.scene;
    const training = new Ascent(net, x, y, GOAL);
    while (training.advance()) if (training.steps % 50 === 0) yield;
    const { net: moved, pattern } = snap(training.network(), x);
    yield;
    this.explained = kkt(moved, x, y, pattern);
    this.moveTo(this.settings.fraction);
    yield;
    for (const t of FRACTIONS) {
      this.curve.push({ t, ...vCurve(this.explained, x, y, t) });
      yield;
    }
  }

  /** Takes a step of t = β/β*. */
  moveTo(t) {
    this.settings = { ...this.settings, fraction: t };
    if (this.explained) this.now = { t, ...vCurve(this.explained, this.scene.x, this.scene.y, t) };
  }

  says() {
    if (!this.now) return "The network is being trained.";
    const { t, epsilon, lower, upper, net } = this.now;
    const { x, y, net: start } = this.scene;
    const forgotten = (y[0] * outputs(net, x.subarray(0, start.d))[0]) / this.explained.scale;
    const text = `A step of t = ${number(t)} leaves ε = <b>${number(epsilon)}</b>; theory puts it
      between ${number(lower)} and ${number(upper)}. The forgotten point's margin is
      ${number(forgotten)}, where the smallest was 1.`;
    if (this.curve.length < FRACTIONS.length) return text;
    const lowest = this.curve.reduce((a, b) => (b.epsilon < a.epsilon ? b : a));
    return `${text} Of all steps measured t = ${number(lowest.t)} is the best; theory says 1.`;
  }

  draw(palette) {
    const { curve, now } = this;
    const high = 1.08 * Math.max(0.1, ...curve.map((point) => point.upper), now ? now.upper : 0);
    const chart = new Chart(palette, {
      x: { low: 0, high: 2, label: "size of the step: t = β/β*" },
      y: { low: 0, high, label: "stationarity ε on what is kept" },
      legend: [
        { mark: "dot", colour: palette.vermilion, label: "measured" },
        { mark: "bar", colour: palette.blue, label: "theory, between its bounds" },
      ],
    });
    chart.vertical(1);
    const side = (name) => curve.map((point) => [point.t, point[name]]);
    chart.band(side("lower"), side("upper"), palette.blue);
    for (const name of ["lower", "upper"])
      chart.line(side(name), palette.blue, { "stroke-width": 1 });
    for (const point of curve) chart.mark("dot", point.t, point.epsilon, palette.vermilion);
    if (now) chart.mark("diamond", now.t, now.epsilon, palette.ink, { stroke: palette.surface });
    return chart.svg();
  }
}
