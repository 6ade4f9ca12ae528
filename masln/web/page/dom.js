// Elements made and filled. Whatever comes from the data is text: nothing here, or on the page, reads it as markup.

/** The element of an id. */
export const the = (id) => document.getElementById(id);

/** An element with its attributes and children; a child that is a string is text, one that is null is left out. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** A count with its noun: "1 picture", "1,395 pictures". */
export const counted = (n, noun, plural = `${noun}s`) => `${n.toLocaleString("en")} ${n === 1 ? noun : plural}`;

/** What items of a modality are called. */
export const NOUNS = { image: "picture", text: "text" };

/** A line as a sentence. */
export function sentence(line) {
  const text = String(line).trim();
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

/** Whether training had a class, told by a word and a shape; "new" is one that the run's data do not have at all. */
export function mark(seen) {
  const word = seen == null ? "new" : seen ? "seen" : "unseen";
  return make("span", { class: `mark ${word}` }, word);
}
