// What the page says of the gallery: its name and contents above, the run's protocol and figures below.

import { NOUNS, counted, make, the } from "./dom.js";

/** Write the heading: name, items and classes. */
export function writeHeading(gallery) {
  the("name").textContent = gallery.name;
  document.title = `${gallery.name} – masln`;
  const sides = Object.entries(gallery.modalities).filter(([, side]) => side.items);
  const items = sides.map(([name, side]) => counted(side.items, NOUNS[name]));
  const unseen = gallery.classes.filter((own) => !own.seen).length;
  const classes = counted(gallery.classes.length, "class", "classes");
  const told = unseen ? `${classes}, ${unseen} of them never seen in training` : classes;
  the("contents").textContent = [...items, told].join(" · ");
}

/** Write the footer: which run, under which protocol, with which figures. */
export function writeFooter(gallery) {
  const facts = {
    Model: `${gallery.method}, trained on ${gallery.dataset}`,
    "Class split": gallery.class_split,
    Protocol: gallery.protocol?.replace(/^protocol /, ""),
    Index: gallery.backend,
  };
  const list = make("dl");
  for (const [term, value] of Object.entries(facts)) {
    if (value) list.append(make("dt", {}, term), make("dd", {}, String(value)));
  }
  const api = make("p", {}, make("a", { href: "/docs" }, "The same as a JSON API"));
  the("about").replaceChildren(make("h2", {}, "About this gallery"), make("div", {}, make("div", {}, list, api), figures(gallery)));
}

function figures({ figures: rows }) {
  if (!rows.length) return make("p", { class: "soft" }, "Its run has no figures.");
  const measures = [...new Set(rows.map((row) => row.measure))];
  const heads = ["Classes", ...(measures.length > 1 ? ["Measure"] : []), "Picture → text", "Text → picture", "Average"];
  const table = make("table", {}, make("caption", {}, `Measured when it was trained${measures.length > 1 ? "" : `: ${measures[0]}`}`));
  table.append(make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))));
  const body = make("tbody");
  for (const row of rows) {
    const cells = [row.i2t, row.t2i, row.average].map((value) => (value == null ? "–" : value.toFixed(3)));
    const measure = measures.length > 1 ? [row.measure] : [];
    const own = [...measure, ...cells].map((cell) => make("td", {}, cell));
    body.append(make("tr", {}, make("th", { scope: "row" }, row.part), ...own));
  }
  table.append(body);
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Figures of the run" }, table);
}
