/** The page at work: sliders, buttons, and panels that are trained and drawn frame by frame. */

import { BOX, DARK, LIGHT, SIZE, element } from "./chart.js";
import { Diagonal } from "./diagonal.js";
import { Flips } from "./flips.js";
import { Law } from "./law.js";
import { SETTINGS, complete, derived } from "./settings.js";
import { VCurve } from "./vcurve.js";

/** Milliseconds of each frame for what is prepared, and between two sentences while training. */
const BUDGET = 7;
const PAUSE = 1000;

/** Steps from one frame to the next: one at first, then a twenty-fifth of those taken. */
export const stride = (steps) => Math.min(100, 1 + Math.floor(steps / 25));

/**
 * Brings the page's markup to life.
 *
 * @param root the document, or a shadow root with the same markup.
 * @param given settings to begin with; what is missing has its default.
 * @param changed called with all settings, as they are in the end, whenever some were given.
 * @returns a function that takes other settings, and one that stops it all.
 */
export function mount(root, given, changed) {
  const find = (selector) => root.querySelector(selector);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const palette = () => (dark.matches ? DARK : LIGHT);
  const names = ["diagonal", "law", "flips", "vcurve"];
  let settings = complete(given);
  let panels;
  let jobs;
  let steps;
  let playing = false;
  let stale = new Set();
  let spoken = 0;
  let drawn = 0;
  let turn = false;
  let shown = true;

  function begin() {
    const all = derived(settings);
    panels = {
      diagonal: new Diagonal(all),
      law: new Law(all),
      flips: new Flips(all),
      vcurve: new VCurve(all),
    };
    jobs = ["law", "vcurve", "flips"].map((name) => [name, panels[name].prepare()]);
    steps = 0;
    stale = new Set(names);
    show();
  }

  const finished = () => panels.diagonal.done && panels.law.done;

  function show() {
    for (const name of Object.keys(SETTINGS)) {
      const input = find(`[name=${name}]`);
      if (name === "ell") input.max = settings.d - 2;
      if (input.value !== `${settings[name]}`) input.value = settings[name];
      const output = find(`output[for=${name}]`);
      if (output) output.textContent = settings[name];
    }
    find("[data-do=play]").textContent = playing ? "Pause" : "Play";
    find("[data-shown=steps]").textContent = steps;
    find(".panels").ariaBusy = `${jobs.length > 0 || stale.size > 0}`;
  }

  /** Works on what is to be prepared, for a few milliseconds. */
  function prepare() {
    const end = performance.now() + BUDGET;
    while (jobs.length && performance.now() < end) {
      const [name, job] = jobs[0];
      stale.add(name);
      if (job.next().done) jobs.shift();
    }
  }

  function advance() {
    const count = stride(steps);
    for (const panel of [panels.diagonal, panels.law]) if (!panel.done) panel.advance(count);
    steps = Math.max(panels.diagonal.steps, panels.law.steps);
    stale.add("diagonal").add("law");
    if (finished()) playing = false;
    show();
  }

  function svgOf(name, colours, under) {
    const inner = panels[name].draw(colours, under);
    const size = `0 0 ${SIZE.width} ${SIZE.height}`;
    return element("svg", { xmlns: "http://www.w3.org/2000/svg", viewBox: size }, inner);
  }

  function draw(now) {
    // Where motion is not wanted, pictures follow once a second.
    if (!stale.size || (still.matches && playing && now - drawn < PAUSE)) return;
    drawn = now;
    for (const name of stale) find(`#${name} .drawing`).innerHTML = svgOf(name, palette());
    if (stale.has("diagonal")) panels.diagonal.paint(find("#diagonal canvas"), palette());
    const busy = playing || jobs.length;
    if (!busy || now - spoken > PAUSE) {
      for (const name of busy ? names : stale)
        find(`#${name} .says`).innerHTML = panels[name].says();
      spoken = now;
      stale = new Set();
      show();
    }
  }

  function frame(now) {
    // Training waits until its networks are drawn, and takes turns with what else is prepared.
    turn = !turn;
    if (jobs.length && (turn || !playing || jobs[0][0] === "law")) prepare();
    else if (playing) advance();
    draw(now);
    if (shown) requestAnimationFrame(frame);
  }

  /** A picture of a panel, in light colours, as a file. */
  function download(name) {
    const { left: x, top: y, width, height } = BOX;
    const canvas = find("#diagonal canvas");
    let under = "";
    if (name === "diagonal") {
      panels.diagonal.paint(canvas, LIGHT);
      const place = { x, y, width, height, preserveAspectRatio: "none" };
      under = element("image", { href: canvas.toDataURL(), ...place });
      stale.add("diagonal");
    }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(
      new Blob([svgOf(name, LIGHT, under)], { type: "image/svg+xml" }),
    );
    link.download = `${name}.svg`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), PAUSE);
  }

  function take(wanted) {
    const before = settings;
    settings = complete({ ...settings, ...wanted });
    const { fraction, ...rest } = settings;
    if (Object.keys(rest).some((name) => rest[name] !== before[name])) {
      playing ||= finished();
      begin();
    } else if (fraction !== before.fraction) {
      panels.vcurve.moveTo(fraction);
      stale.add("vcurve");
    }
    show();
    changed(settings);
  }

  const actions = {
    play: () => {
      if (finished()) begin();
      playing = !playing;
    },
    step: () => {
      while (jobs[0]?.[0] === "law") prepare();
      playing = false;
      advance();
    },
    reset: begin,
  };
  for (const button of root.querySelectorAll("[data-do]"))
    button.addEventListener("click", () => {
      actions[button.dataset.do]();
      show();
    });
  for (const button of root.querySelectorAll("[data-save]"))
    button.addEventListener("click", () => download(button.dataset.save));
  for (const [name, { low, high, step }] of Object.entries(SETTINGS)) {
    const input = find(`[name=${name}]`);
    Object.assign(input, { min: low, max: high, step });
    input.addEventListener(name === "seed" ? "change" : "input", (event) =>
      take({ [name]: event.target.value }),
    );
  }
  dark.addEventListener("change", () => (stale = new Set(names)));
  begin();
  playing = !still.matches;
  take({});
  requestAnimationFrame(frame);
  return { take, stop: () => (shown = false) };
}
