/** The page in a notebook: its settings are the widget's. */

import { mount } from "./playground.js";
import { SETTINGS } from "./settings.js";

export function render({ model, el }) {
  const root = el.attachShadow({ mode: "open" });
  root.innerHTML = model.get("markup");
  const of = () => Object.fromEntries(Object.keys(SETTINGS).map((name) => [name, model.get(name)]));
  const { take, stop } = mount(root, of(), (settings) => {
    for (const [name, value] of Object.entries(settings)) model.set(name, value);
    model.save_changes();
  });
  for (const name of Object.keys(SETTINGS)) model.on(`change:${name}`, () => take(of()));
  return stop;
}
