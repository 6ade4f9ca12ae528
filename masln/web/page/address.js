// What is asked, as the address says it behind "#", so that back, forward and a shared link work.

/**
 * Read an address.
 *
 * A query is one of {text}, {item, modality} and {picture}, where a picture is the number of a file chosen on this page:
 * the file itself is in no address. What makes no sense is as if it were not there.
 */
export function readAddress(hash, { modalities, limit, k }) {
  const said = new URLSearchParams(hash.replace(/^#/, ""));
  const among = (value, names) => (names.includes(value) ? value : null);
  const number = (value) => (/^\d{1,6}$/.test(value ?? "") ? Number(value) : 0);
  const of = among(said.get("of"), ["image", "text"]);
  let query = null;
  if (said.get("item") && of) query = { item: said.get("item"), modality: of };
  else if (number(said.get("picture"))) query = { picture: number(said.get("picture")) };
  else if (said.get("q")?.trim()) query = { text: said.get("q") };
  const asked = number(said.get("k"));
  return {
    query,
    find: among(said.get("find"), modalities) ?? modalities[0],
    k: asked >= 1 && asked <= limit ? asked : k,
    classes: [...new Set(said.getAll("class"))],
    rerank: said.has("rerank"),
  };
}

/** The address of what is asked, which `readAddress` reads. */
export function addressOf({ query, find, k, classes, rerank }) {
  const said = new URLSearchParams();
  if (query?.text) said.set("q", query.text);
  if (query?.item) {
    said.set("item", query.item);
    said.set("of", query.modality);
  }
  if (query?.picture) said.set("picture", query.picture);
  said.set("find", find);
  said.set("k", k);
  for (const name of classes) said.append("class", name);
  if (rerank) said.set("rerank", "");
  return `#${said}`;
}
