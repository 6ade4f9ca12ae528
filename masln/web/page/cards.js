// What was found, as a list of cards, each a link to the search by its item.

import { NOUNS, make, mark } from "./dom.js";

/** The list of what was found; `addressOfItem` gives the address of the search by an item. */
export function cards(hits, addressOfItem) {
  const kind = hits.every((hit) => hit.modality === "text") ? "texts" : "pictures";
  const list = make("ol", { class: `hits ${kind}` });
  list.append(...hits.map((hit) => card(hit, addressOfItem(hit))));
  return list;
}

function card(hit, address) {
  const noun = NOUNS[hit.modality];
  const words = hit.text || hit.id;
  const link = make("a", { href: address }, make("span", { class: "spoken" }, `Search by this ${noun}: `), words);
  const facts = make(
    "p",
    { class: "facts" },
    hit.class ? make("span", { class: "class" }, hit.class) : null,
    hit.class ? mark(hit.seen) : null,
    make("span", { class: "score" }, make("span", { class: "spoken" }, "score "), hit.score.toFixed(3)),
  );
  const text = make("p", { class: "words", title: words.length > 90 ? words : null }, link);
  return make("li", { class: "hit" }, figure(hit), text, facts);
}

/** The picture of a hit: the emoji itself, a file, or a word on why there is none. Its text stands beside it. */
export function figure(hit) {
  if (hit.character) return make("div", { class: "figure character", "aria-hidden": "true" }, hit.character);
  const frame = make("div", { class: "figure" });
  const missing = (why) => frame.replaceChildren(make("span", { class: "missing" }, why));
  if (hit.image_url) {
    const image = make("img", { src: hit.image_url, alt: "", loading: "lazy", decoding: "async" });
    image.addEventListener("error", () => missing("The picture cannot be shown"));
    frame.append(image);
  } else if (hit.modality === "image") missing("Its file is not at hand");
  else return null;
  return frame;
}
