// The page: grid and search, the image that the address names after #, keys.

import { askJson } from "./api.js";
import { Detail } from "./detail.js";
import { Grid } from "./grid.js";

const by = id => document.getElementById(id);
const grid = new Grid(by("grid"), by("sheet"), by("count"));
const NEWS = 6000;  // milliseconds
let detail = null, at = -1, typed = 0, seen = null;

async function begin() {
  if (window.matchMedia("(max-width: 760px)").matches) by("facts").hidden = true;
  await news();
  await grid.search("");
  await route();
}

// Say what is shown and what is wrong with it, again and again; an archive that has grown is listed anew.
async function news() {
  try {
    const { url, runs, problems } = await askJson("archive");
    by("place").textContent = url;
    by("place").title = url;
    document.title = `${url.slice(url.replace(/\/+$/, "").lastIndexOf("/") + 1)} – tilepress`;
    note(problems.slice(0, 5).join(" · ") + (problems.length > 5 ? ` · and ${problems.length - 5} more` : ""));
    const state = JSON.stringify(runs);
    if (seen !== null && seen !== state) await grid.again();
    seen = state;
  } catch (error) {
    note(error instanceof TypeError ? "The viewer does not answer: it has ended, or the network is gone." : error.message);
  }
  setTimeout(news, NEWS);
}

function note(text) {
  by("notes").hidden = !text;
  by("notes").textContent = text;
}

function named() {
  try { return decodeURIComponent(location.hash.slice(1)); } catch { return location.hash.slice(1); }
}

// Open what the address names, or close what is open.
async function route() {
  const path = named();
  if (!path) {
    if (!by("detail").hidden) {
      open(false);
      detail?.close();
      grid.draw();
      grid.cards.get(at)?.focus();
    }
    return;
  }
  const image = await askJson("image", { path }).catch(error => ({ path, shown: false, reason: error.message, bytes: 0, stored: 0 }));
  if (path !== named()) return;  // another one was asked for since
  if (by("detail").hidden) open(true);
  detail ??= new Detail();
  await detail.open(image);
}

// Whoever walks by keys is in the image while it is open, and back at its card afterwards.
function open(is) {
  by("detail").hidden = !is;
  by("grid").inert = by("bar").inert = is;
  by("before").hidden = by("after").hidden = at < 0;
  if (is) by("back").focus({ focusVisible: false });
}

async function turn(step) {
  if (at < 0 || by("detail").hidden) return;
  const image = await grid.image(at + step);
  if (!image) return;
  at += step;
  location.replace(`#${encodeURIComponent(image.path)}`);
}

by("sheet").addEventListener("click", event => {
  const card = event.target.closest(".card");
  if (card) at = Number(card.dataset.at);
});
by("search").addEventListener("submit", event => { event.preventDefault(); grid.search(by("query").value.trim()); });
by("query").addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(() => grid.search(by("query").value.trim()), 180);
});
by("back").onclick = () => { location.hash = ""; };
by("before").onclick = () => turn(-1);
by("after").onclick = () => turn(1);
window.addEventListener("hashchange", route);

const KEYS = {
  Escape: () => { location.hash = ""; }, ArrowLeft: () => turn(-1), ArrowRight: () => turn(1),
  1: () => detail.choose("original"), 2: () => detail.choose("preview"), 3: () => detail.choose("difference"),
  t: () => detail.nextTiles(), i: () => detail.toggleFacts(), "+": () => detail.zoom(1.6), "-": () => detail.zoom(1 / 1.6),
  0: () => detail.viewer.viewport.goHome(),
};
window.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "Escape" && typing) event.target.blur();
  else if (typing) return;
  else if (!by("detail").hidden && KEYS[event.key]) { event.preventDefault(); event.stopPropagation(); KEYS[event.key](); }
  else if (event.key === "/" && by("detail").hidden) { event.preventDefault(); by("query").focus(); }
}, true);

begin().catch(error => note(error.message));
