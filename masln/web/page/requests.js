// What the page asks of the server.

import { sentence } from "./dom.js";

const RERANKED = 50; // ours: as many of the first as a re-ranked row of the tables has

/** A request that was refused, with the line that says why. */
export class Refused extends Error {}

async function answer(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("The server does not answer. Is masln serve still running?");
  }
  const body = await response.json().catch(() => null);
  if (response.ok && body) return body;
  throw new Refused(sentence(body?.error ?? `The server answered ${response.status} and did not say why.`));
}

/** What the gallery holds. */
export const readGallery = () => answer("/api/gallery");

/** One of its items. */
export const readItem = (modality, id) => answer(`/api/items/${modality}/${encodeURIComponent(id)}`);

/** The answer to a query; `file` is the picture of one that has a picture, `most` of what may be asked for. */
export function search({ query, find, k, classes, rerank }, { file, most, signal }) {
  const first = Math.min(Math.max(RERANKED, k), most);
  if (query.picture) {
    const form = new FormData();
    form.set("file", file, file.name || "picture");
    form.set("find", find);
    form.set("k", k);
    for (const name of classes) form.append("classes", name);
    if (rerank) form.set("rerank", first);
    return answer("/api/search/image", { method: "POST", body: form, signal });
  }
  const asked = query.item ? { item: query.item, modality: query.modality } : { text: query.text };
  const body = JSON.stringify({ ...asked, find, k, classes, ...(rerank ? { rerank: first } : {}) });
  return answer("/api/search", { method: "POST", body, headers: { "Content-Type": "application/json" }, signal });
}
