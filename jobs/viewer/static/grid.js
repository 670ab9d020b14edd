// The grid: cards for what is in sight only, their facts fetched by pages of a hundred, however many images there are.

import { askJson, bytes, element, service, whole } from "./api.js";

const ASK_AGAIN = 4000;  // milliseconds after a failure
const PAGE = 100, KEPT_PAGES = 40, GAP = 18, CAPTION = 50;
const MAX_HEIGHT = 8e6;  // pixels: browsers cut off elements that are much taller, so longer sheets are scrolled faster
const OWN_THUMBNAIL = 64e6;  // pixels of an image that is decoded for its thumbnail at once

export class Grid {
  constructor(grid, sheet, count) {
    Object.assign(this, { grid, sheet, count, query: "", total: 0, complete: false });
    this.pages = new Map();
    this.cards = new Map();
    this.generation = 0;
    grid.addEventListener("scroll", () => this.later(), { passive: true });
    new ResizeObserver(() => this.later()).observe(grid);
    sheet.addEventListener("keydown", event => this.key(event));
  }

  async search(query) {
    this.query = query;
    this.generation += 1;
    this.pages.clear();
    for (const card of this.cards.values()) card.remove();
    this.cards.clear();
    this.total = 0;
    this.grid.scrollTop = 0;
    await this.page(0);
    this.draw();
  }

  // Ask anew for what is in sight: the archive has grown, or storage answers again.
  async again() {
    const top = this.grid.scrollTop;
    await this.search(this.query);
    this.grid.scrollTop = top;
    this.later();
  }

  // Image number `at` of those that are found, null where there is none.
  async image(at) {
    if (at < 0 || (this.complete && at >= this.total)) return null;
    const page = await this.page(Math.floor(at / PAGE));
    return page?.images[at % PAGE] ?? null;
  }

  page(number) {
    if (!this.pages.has(number)) {
      const generation = this.generation;
      const asked = askJson("images", { q: this.query, start: number * PAGE, count: PAGE }).then(page => {
        if (generation !== this.generation) return null;
        this.total = page.total;
        this.complete = page.complete;
        this.say();
        if (!page.complete) {
          setTimeout(() => {
            if (generation !== this.generation) return;
            this.pages.delete(number);
            this.page(number).then(() => this.draw());
          }, 700);
        }
        return page;
      }).catch(error => {
        this.pages.delete(number);
        if (generation !== this.generation) return null;
        this.count.textContent = "not listed: asking again";
        this.count.title = error.message;
        setTimeout(() => { if (generation === this.generation) this.again(); }, ASK_AGAIN);
        return null;
      });
      this.pages.set(number, asked);
      while (this.pages.size > KEPT_PAGES) this.pages.delete(this.pages.keys().next().value);
    }
    return this.pages.get(number);
  }

  say() {
    this.count.title = "";
    const more = this.complete ? "" : " and more, being read";
    this.count.textContent = `${whole(this.total)} ${this.total === 1 ? "image" : "images"}${more}`;
  }

  later() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => { this.waiting = false; this.draw(); });
  }

  layout() {
    const width = this.grid.clientWidth - 2 * GAP;
    const least = this.grid.clientWidth < 500 ? 150 : 210;
    const columns = Math.max(1, Math.floor((width + GAP) / (least + GAP)));
    const side = (width - (columns - 1) * GAP) / columns;
    return { columns, side, row: side * 0.82 + CAPTION + GAP };
  }

  async draw() {
    const { columns, side, row } = this.layout();
    const rows = Math.ceil(this.total / columns), height = rows * row + GAP;
    const shown = Math.min(height, MAX_HEIGHT), view = this.grid.clientHeight;
    this.sheet.style.height = `${shown}px`;
    this.empty(!this.total && this.complete);
    const travel = Math.max(1, shown - view), scrolled = Math.min(this.grid.scrollTop, travel);
    const top = height > shown ? scrolled / travel * (height - view) : this.grid.scrollTop;
    const first = Math.max(0, Math.floor(top / row) - 1) * columns;
    const last = Math.min(this.total, (Math.ceil((top + view) / row) + 1) * columns);
    for (const [at, card] of this.cards) {
      if (at < first || at >= last) { card.remove(); this.cards.delete(at); }
    }
    const generation = this.generation;
    for (let at = first; at < last; at++) {
      let card = this.cards.get(at);
      if (!card) {
        card = element("a", "card");
        card.href = "#";
        card.dataset.at = at;
        this.cards.set(at, card);
        this.sheet.append(card);
        this.image(at).then(image => {
          if (image && generation === this.generation && this.cards.get(at) === card) fill(card, image);
        });
      }
      const x = GAP + (at % columns) * (side + GAP);
      const y = GAP + Math.floor(at / columns) * row - top + this.grid.scrollTop;
      card.style.width = `${side}px`;
      card.style.height = `${row - GAP}px`;
      card.style.transform = `translate(${x}px, ${y}px)`;
    }
  }

  empty(none) {
    if (!none) { this.nothing?.remove(); this.nothing = null; return; }
    if (this.nothing) return;
    this.nothing = element("p", "nothing", this.query ? `No path has “${this.query}”.` : "The archive holds no image.");
    this.sheet.append(this.nothing);
  }

  key(event) {
    const card = event.target.closest(".card");
    const { columns } = this.layout();
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    if (!card || !step) return;
    event.preventDefault();
    const next = this.cards.get(Number(card.dataset.at) + step);
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
  }
}

function fill(card, image) {
  card.href = `#${encodeURIComponent(image.path)}`;
  card.title = image.path;
  const frame = element("span", "frame");
  if (!image.shown) frame.append(why(image));
  else if (image.width * image.height > OWN_THUMBNAIL && !image.preview) frame.append(element("span", "why", "large: open it"));
  else frame.append(thumbnail(image));
  if (image.gone) frame.append(element("span", "badge", "gone from the source"));
  const name = image.path.slice(image.path.lastIndexOf("/") + 1);
  const size = image.width ? `${whole(image.width)} × ${whole(image.height)} · ` : "";
  card.append(frame, element("span", "name", name), element("span", "line", `${size}${bytes(image.bytes)} · ${image.codec}`));
}

function why(image) {
  return element("span", image.damaged ? "why bad" : "why", image.reason || "no image");
}

// Of latents alone where there are some; an eighth of a JPEG file where that is large enough.
export function thumbnailUrl(image) {
  const coarse = image.eighth && Math.max(image.width, image.height) < 8 * 320;
  return `${service(image, image.preview && !coarse ? "preview" : "original")}/full/!320,320/0/default.jpg`;
}

function thumbnail(image) {
  const picture = element("img");
  picture.alt = "";
  picture.decoding = "async";
  if (Math.max(image.width, image.height) < 96) picture.classList.add("small");
  picture.addEventListener("load", () => picture.classList.add("there"));
  picture.addEventListener("error", () => explain(picture, image));
  picture.src = thumbnailUrl(image);
  return picture;
}

// Say why there is no thumbnail. Where storage does not answer, or the image has moved, ask again.
async function explain(picture, image) {
  const answer = await fetch(thumbnailUrl(image)).catch(() => null);
  const text = answer ? (await answer.text()).trim() : "the viewer does not answer";
  const note = element("span", "why bad", text.length > 160 ? `${text.slice(0, 160)}…` : text);
  note.title = text;
  picture.replaceWith(note);
  if (answer && answer.status !== 503 && answer.status !== 404) return;
  setTimeout(async () => {
    if (!note.isConnected) return;
    const current = await askJson("image", { path: image.path }).catch(() => image);
    if (note.isConnected) note.replaceWith(thumbnail(current));
  }, ASK_AGAIN);
}
