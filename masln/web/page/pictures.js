// Pictures that are asked by: chosen, dropped or pasted, held against the server's limits before they are sent.

import { Refused } from "./requests.js";
import { counted, the } from "./dom.js";

const kept = new Map(); // number in the address -> {file, url}; as long as the page is open

/** The picture of a number in the address; undefined where another page, or this one before it was loaded, chose it. */
export const pictureOf = (number) => kept.get(number);

/**
 * Keep a file and give its number.
 *
 * Throws Refused where it is no picture or too large. What this browser cannot draw may still be one that the server
 * reads, so only a size that the browser knows is held against the limit of pixels.
 */
export async function keepPicture(file, limits) {
  if (file.type && !file.type.startsWith("image/")) throw new Refused(`${file.name} is not a picture.`);
  if (file.size === 0) throw new Refused(`${file.name} is empty.`);
  if (file.size > limits.upload_bytes) {
    const sizes = [file.size, limits.upload_bytes].map((bytes) => counted(bytes, "byte"));
    throw new Refused(`${file.name} has ${sizes[0]}; a picture may have ${sizes[1]}. Make it smaller.`);
  }
  const url = URL.createObjectURL(file);
  const size = await drawnSize(url);
  if (size && size.width * size.height > limits.image_pixels) {
    URL.revokeObjectURL(url);
    const most = counted(limits.image_pixels, "pixel");
    throw new Refused(`${file.name} is ${size.width} × ${size.height} pixels; a picture may have ${most}. Make it smaller.`);
  }
  const number = kept.size + 1;
  kept.set(number, { file, url: size ? url : null });
  return number;
}

function drawnSize(url) {
  return new Promise((resolve) => {
    const image = new Image();
    image.onload = () => resolve({ width: image.naturalWidth, height: image.naturalHeight });
    image.onerror = () => resolve(null);
    image.src = url;
  });
}

/** Call `use` with each file that is chosen, dropped anywhere on the page, or pasted. */
export function onPicture(use) {
  the("file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (file) use(file);
    event.target.value = ""; // so that the same file can be chosen again
  });
  document.addEventListener("paste", (event) => {
    const [file] = event.clipboardData?.files ?? [];
    if (!file) return;
    event.preventDefault();
    use(file);
  });
  const carriesFile = (event) => event.dataTransfer?.types.includes("Files");
  let depth = 0; // dragenter and dragleave come from every element that is crossed
  const show = (change) => {
    depth = change === 0 ? 0 : Math.max(0, depth + change);
    the("drop").hidden = depth === 0;
  };
  document.addEventListener("dragenter", (event) => carriesFile(event) && show(1));
  document.addEventListener("dragleave", (event) => carriesFile(event) && show(-1));
  document.addEventListener("dragover", (event) => carriesFile(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    if (!carriesFile(event)) return;
    event.preventDefault();
    show(0);
    if (event.dataTransfer.files.length) use(event.dataTransfer.files[0]);
  });
}
