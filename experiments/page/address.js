/** The page by itself: its settings are those of the address, and the address those of the page. */

import { mount } from "./playground.js";
import { read, written } from "./settings.js";

export function begin() {
  const { take } = mount(document, read(location.hash), (settings) =>
    history.replaceState(null, "", `#${written(settings)}`),
  );
  addEventListener("hashchange", () => take(read(location.hash)));
}
