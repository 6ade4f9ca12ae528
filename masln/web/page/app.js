// The search page: what is asked stands in the address, and every change of the address is a search.

import { writeFooter, writeHeading } from "./about.js";
import { addressOf, readAddress } from "./address.js";
import { cards, figure } from "./cards.js";
import { NOUNS, counted, make, mark, sentence, the } from "./dom.js";
import { makeFilter } from "./filter.js";
import { keepPicture, onPicture, pictureOf } from "./pictures.js";
import { Refused, readGallery, readItem, search } from "./requests.js";

const COUNTS = [12, 24, 48, 96]; // ours: full rows of two, three, four and six cards
const EXAMPLES = 8; // ours: classes offered as first queries
const PATIENCE = 150; // ours: milliseconds before a search is said to go on; a quick one only flickers

const met = new Map(); // items that were found on this page, to show what is asked by one
let gallery, filter, asked, running;

const keyOf = (modality, id) => `${modality} ${id}`;
const reranks = () => gallery.reranks && asked.query && modalityOf(asked.query) !== asked.find;
const modalityOf = (query) => query.modality ?? (query.picture ? "image" : "text");

/** Ask something else: it goes into the address, and the address is read. */
function ask(changes) {
  const address = addressOf({ ...asked, ...changes });
  if (address === location.hash) look();
  else location.hash = address;
}

function look({ follow = false } = {}) {
  asked = readAddress(location.hash, defaults());
  showAsked();
  if (asked.query) find({ follow });
  else welcome();
}

const defaults = () => ({
  modalities: ["image", "text"].filter((name) => gallery.modalities[name]?.items),
  limit: gallery.limits.k,
  k: Math.min(COUNTS[0], gallery.limits.k),
});

/** The form as the address says. */
function showAsked() {
  the("text").value = asked.query?.text ?? "";
  for (const name of ["image", "text"]) the(`find-${name}`).checked = asked.find === name;
  const counts = [...new Set([...COUNTS, asked.k])].filter((k) => k <= gallery.limits.k).sort((a, b) => a - b);
  the("k").replaceChildren(...counts.map((k) => make("option", { value: k, selected: k === asked.k }, String(k))));
  the("rerank").checked = asked.rerank;
  the("rerank-option").hidden = !reranks();
  filter.show(asked.classes);
}

async function find({ follow }) {
  running?.abort();
  const own = (running = new AbortController());
  const waiting = setTimeout(() => {
    the("results").setAttribute("aria-busy", "true");
    the("status").className = "soft searching";
    the("status").textContent = "Searching…";
  }, PATIENCE);
  const picture = asked.query.picture && pictureOf(asked.query.picture);
  try {
    check(asked.query, picture);
    const rerank = asked.rerank && reranks();
    const options = { file: picture?.file, most: gallery.limits.k, signal: own.signal };
    const [answer, item] = await Promise.all([search({ ...asked, rerank }, options), itemOf(asked.query)]);
    show(answer, picture ?? item);
  } catch (error) {
    if (error.name === "AbortError" || running !== own) return;
    if (!(error instanceof Refused)) throw error;
    if (holdsNone()) show({ hits: [] }, picture ?? met.get(keyOf(asked.query.modality, asked.query.item)));
    else fail(error.message);
  } finally {
    clearTimeout(waiting);
    if (running === own) settle(follow);
  }
}

/** The search is over; where it was begun in the results, reading goes on at their head. */
function settle(follow) {
  the("results").setAttribute("aria-busy", "false");
  the("status").className = "soft";
  if (!follow) return;
  the(the("found-title").hidden ? "error" : "found-title").focus({ preventScroll: true });
  the("found").scrollIntoView({ block: "start" });
}

/** What need not be sent to be refused. */
function check(query, picture) {
  const most = gallery.limits.query_characters;
  const length = [...(query.text ?? "")].length;
  if (length > most) throw new Refused(`The sentence has ${counted(length, "character")}; it may have ${counted(most, "character")}.`);
  if (query.picture && !picture) throw new Refused("That picture is not kept in the address. Choose it again.");
  if (!query.item && !gallery.can_query[modalityOf(query)]) throw new Refused(whyNot(modalityOf(query)));
}

function whyNot(modality) {
  return sentence(gallery.why_not[modality] || `this gallery takes no ${NOUNS[modality]}s as queries`);
}

/** The item that is asked by; undefined for other queries. */
async function itemOf({ item, modality }) {
  return item && (met.get(keyOf(modality, item)) ?? readItem(modality, item));
}

/** Whether the gallery has nothing of the classes that are chosen, as far as is known here. */
function holdsNone() {
  const chosen = gallery.classes.filter((own) => asked.classes.includes(own.name));
  return asked.classes.length > 0 && chosen.every((own) => !own.items[asked.find]);
}

/** Show an answer; `by` is the item or the picture that was asked by. */
function show(answer, by) {
  for (const hit of [...answer.hits, by?.id ? by : []].flat()) met.set(keyOf(hit.modality, hit.id), hit);
  empty();
  const { title, shown } = told(by);
  const nouns = `${NOUNS[asked.find]}s`;
  const count = answer.hits.length;
  the("asked").replaceChildren(...(shown ? [shown] : []));
  the("found-title").hidden = false;
  the("found-title").textContent = `${count ? sentence(nouns).slice(0, -1) : `No ${nouns}`} ${title}`;
  document.title = `${the("found-title").textContent} – ${gallery.name}`;
  if (answer.unknown_words?.length) {
    the("unknown").textContent = `Not known to the model, so without effect: ${answer.unknown_words.join(", ")}`;
  }
  if (count) {
    const order = answer.hits[0].reranked ? ", re-ranked by the joint score" : "";
    the("status").textContent = `${count} found in ${seconds(answer.seconds)}${order}. Choose one to search by it.`;
    const address = (hit) => addressOf({ ...asked, query: { item: hit.id, modality: hit.modality } });
    the("results").replaceChildren(cards(answer.hits, address));
  } else if (asked.classes.length) {
    the("status").textContent = `There are no ${nouns} of ${asked.classes.join(", ")}.`;
    const all = make("button", { type: "button" }, "Search all classes");
    all.addEventListener("click", () => ask({ classes: [] }));
    the("results").replaceChildren(all);
  } else the("status").textContent = `The gallery has no ${nouns} to find.`;
}

const seconds = (value) => (value < 0.0995 ? `${Math.max(1, Math.round(value * 1000))} ms` : `${value.toFixed(1)} s`);

/** What is asked: in words, and shown where it is a picture. */
function told(by) {
  const near = modalityOf(asked.query) === asked.find ? "like" : "for";
  if (asked.query.text) return { title: `${near} “${asked.query.text}”` };
  if (asked.query.picture) {
    const image = by.url && make("img", { src: by.url, alt: "" });
    return { title: `${near} your picture ${by.file.name}`, shown: image && make("div", { class: "figure" }, image) };
  }
  const { item, modality } = asked.query;
  const title = `${near} the ${NOUNS[modality]} ${by?.text ? `“${by.text}”` : item}`;
  return { title, shown: by && modality === "image" && (by.image_url || by.character) ? figure(by) : null };
}

/** Tell an error; what was found before is still there. */
function complain(line) {
  the("error").textContent = line;
}

/** Tell that a search failed. */
function fail(line) {
  empty();
  complain(line);
  the("text").setAttribute("aria-invalid", String(Boolean(asked.query.text)));
}

function empty() {
  for (const id of ["error", "asked", "unknown", "status", "results"]) the(id).replaceChildren();
  the("text").removeAttribute("aria-invalid");
  the("found-title").hidden = true;
}

/** Before anything is asked: names of classes, the unseen ones first, as examples of what to ask. */
function welcome() {
  running?.abort();
  empty();
  document.title = `${gallery.name} – masln`;
  if (!gallery.can_query.text) return;
  const named = [...gallery.classes].sort((a, b) => Boolean(a.seen) - Boolean(b.seen)).slice(0, EXAMPLES);
  const links = named.map((own) => {
    const address = addressOf({ ...asked, query: { text: inWords(own.name) } });
    return make("li", {}, make("a", { href: address }, own.name, mark(own.seen)));
  });
  if (!links.length) return;
  const list = make("ul", { class: "examples" }, ...links);
  the("results").replaceChildren(make("h2", {}, "For example"), list);
}

/** The name of a class as one would type it: "BareLand" is "bare land". */
const inWords = (name) => name.replace(/(\p{Ll})(?=\p{Lu})/gu, "$1 ").replace(/[_\s]+/g, " ").toLowerCase();

async function usePicture(file) {
  if (!gallery || !file) return;
  try {
    if (!gallery.can_query.image) throw new Refused(whyNot("image"));
    ask({ query: { picture: await keepPicture(file, gallery.limits) } });
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    complain(error.message);
  }
}

function listen() {
  the("search").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = the("text").value.trim();
    if (text) ask({ query: { text } });
    else the("text").focus();
  });
  for (const name of ["image", "text"]) the(`find-${name}`).addEventListener("change", () => ask({ find: name }));
  the("k").addEventListener("change", (event) => ask({ k: Number(event.target.value) }));
  the("rerank").addEventListener("change", (event) => ask({ rerank: event.target.checked }));
  filter = makeFilter(gallery.classes, (classes) => ask({ classes }));
  window.addEventListener("hashchange", () => look({ follow: the("found").contains(document.activeElement) }));
}

function offer() {
  for (const [modality, ids] of [["text", ["text", "go"]], ["image", ["file"]]]) {
    for (const id of ids) the(id).disabled = !gallery.can_query[modality];
  }
  const held = defaults().modalities;
  for (const name of ["image", "text"]) the(`find-${name}`).disabled = !held.includes(name);
  the("drop-note").hidden = !gallery.can_query.image;
  const refused = ["text", "image"].filter((name) => !gallery.can_query[name]);
  the("why-not").hidden = !refused.length;
  the("why-not").textContent = [...new Set(refused.map(whyNot))].join(" ");
}

async function start() {
  try {
    gallery = await readGallery();
  } catch (error) {
    complain(error.message);
    return;
  }
  writeHeading(gallery);
  writeFooter(gallery);
  listen();
  offer();
  onPicture(usePicture);
  look();
}

start();
