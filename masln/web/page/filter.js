// The filter by class: a box for each class, those that were never seen in training first.

import { counted, make, mark, the } from "./dom.js";

const SEARCHED_FROM = 20; // ours: classes from which on a field narrows the list

/** Make the list; `use` is called with the names that are chosen, whenever they change. */
export function makeFilter(classes, use) {
  const sorted = [...classes].sort((a, b) => Boolean(a.seen) - Boolean(b.seen) || a.name.localeCompare(b.name));
  const boxes = sorted.map((own, number) => {
    const box = make("input", { type: "checkbox", id: `class-${number}`, value: own.name });
    const label = make("label", { for: box.id }, own.name, mark(own.seen));
    const row = make("li", {}, box, label);
    return { own, box, row };
  });
  the("class-list").replaceChildren(...boxes.map(({ row }) => row));
  const unseen = sorted.filter((own) => !own.seen).map((own) => own.name);
  the("class-list").addEventListener("change", () => {
    use(boxes.filter(({ box }) => box.checked).map(({ own }) => own.name));
  });
  the("only-unseen").hidden = !unseen.length || unseen.length === sorted.length;
  the("only-unseen").addEventListener("click", () => use(unseen));
  the("all-classes").addEventListener("click", () => use([]));
  the("class-search").hidden = sorted.length < SEARCHED_FROM;
  the("class-text").addEventListener("input", (event) => {
    const part = event.target.value.trim().toLowerCase();
    for (const { own, row } of boxes) row.hidden = !own.name.toLowerCase().includes(part);
  });
  the("class-text").addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
  return {
    /** Show which classes are chosen. */
    show(names) {
      const chosen = new Set(names);
      for (const { own, box } of boxes) box.checked = chosen.has(own.name);
      the("classes-chosen").textContent = saidOf(names, unseen, sorted.length);
    },
  };
}

function saidOf(names, unseen, all) {
  if (!names.length) return "All classes";
  if (names.length === 1) return names[0];
  if (names.length === unseen.length && unseen.every((name) => names.includes(name))) return "Unseen classes";
  return `${names.length} of ${counted(all, "class", "classes")}`;
}
