// What is known of an image, in words.

import { askJson, bytes, element, service, whole } from "./api.js";

const BACK = { bytes: "byte for byte", pixels: "pixel for pixel" };

export async function showFacts(panel, image, current) {
  panel.replaceChildren(element("h1", "", image.path));
  const { facts, damage, upright } = await askJson("image", { path: image.path });
  if (!current()) return;
  const note = damage || (image.reason && `${facts.reason_code ?? "note"}: ${image.reason}`);
  if (note) panel.append(element("p", "note", note));
  if (image.gone) panel.append(element("p", "note", "The source no longer had it at the last run."));
  if (upright) panel.append(element("p", "note", `Shown upright: ${upright}, as its metadata says. The stored pixels are as they were.`));
  panel.append(list(stored(image, facts)));
  panel.append(links(image));
  const said = await askJson("metadata", { path: image.path }).catch(() => []);
  if (current() && said.length) panel.append(element("h2", "", "Metadata of the file"), list(said));
}

function stored(image, facts) {
  const saved = image.bytes ? ` (${(100 * image.stored / image.bytes).toFixed(1)} %)` : "";
  const rows = [["file", bytes(image.bytes)], ["stored in", `${bytes(image.stored)}${saved}`]];
  if (image.width) rows.unshift(["size", `${whole(image.width)} × ${whole(image.height)}, ${image.mode}, ${image.bits} bits`]);
  const add = (name, value) => { if (value !== undefined && value !== null && value !== "") rows.push([name, String(value)]); };
  add("codec", image.codec);
  add("comes back", BACK[facts.comes_back] ?? facts.comes_back);
  if (facts.tiles) add("tiles", `${whole(facts.tiles)}, latents ${bytes(facts.latent_bytes)}, residuals ${bytes(facts.residual_bytes)}`);
  if (facts.psnr_of_base) add("base", `${facts.psnr_of_base} dB PSNR or better`);
  add("made from", facts.origin);
  if (facts.images_in_stack) add("stack", `of ${whole(facts.images_in_stack)} images`);
  add("link to", facts.link_target);
  add("same as", facts.content_of);
  add("run", facts.run);
  add("part", facts.part);
  add("SHA-256", facts.sha256);
  return rows;
}

function links(image) {
  const box = element("div", "links");
  const file = element("a", "", "Download the file");
  file.href = `/api/file?${new URLSearchParams({ path: image.path })}`;
  file.download = "";
  box.append(file);
  if (image.shown) {
    const info = element("a", "", "IIIF");
    info.href = `${service(image, "original")}/info.json`;
    info.title = "What other viewers read";
    box.append(info);
  }
  return box;
}

function list(rows) {
  const made = element("dl");
  for (const [name, value] of rows) made.append(element("dt", "", name), element("dd", "", value));
  return made;
}
