// Tables: a click, or Enter, on the head of a column sorts by it; a text filters the rows.

const FILTERED_FROM = 8; // rows: shorter tables are read at a glance
const order = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

// What a cell is sorted by: its number, where it has one; else its text. Unknown numbers come last either way.
function key(cell) {
  if (cell.dataset.v === undefined) return cell.title || cell.textContent;
  return cell.dataset.v === "" ? null : Number(cell.dataset.v);
}

function compare(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  return sign * (typeof a === "number" ? a - b : order.compare(a, b));
}

function sort(table, column, ascending) {
  const body = table.tBodies[0];
  const keyed = [...body.rows].map((row) => [key(row.cells[column]), row]);
  keyed.sort(([a], [b]) => compare(a, b, ascending ? 1 : -1));
  body.append(...keyed.map(([, row]) => row));
  [...table.tHead.rows[0].cells].forEach((head, at) => {
    head.setAttribute("aria-sort", at !== column ? "none" : ascending ? "ascending" : "descending");
  });
}

function makeSortable(table) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const first = !head.classList.contains("number"); // numbers: the greatest first
      sort(table, column, now === "none" ? first : now === "descending");
    });
  });
}

function addFilter(table) {
  const rows = [...table.tBodies[0].rows];
  if (rows.length < FILTERED_FROM) return;
  const text = (row) => [...row.cells].map((cell) => `${cell.textContent} ${cell.title}`).join(" ").toLowerCase();
  const texts = new Map(rows.map((row) => [row, text(row)]));
  const bar = document.createElement("div");
  const input = document.createElement("input");
  const count = document.createElement("span");
  bar.className = "filter";
  count.className = "note";
  count.setAttribute("role", "status");
  input.type = "search";
  input.placeholder = "Filter";
  input.setAttribute("aria-label", `Filter the rows of: ${table.caption.textContent}`);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      row.hidden = !words.every((word) => texts.get(row).includes(word));
      shown += !row.hidden;
    }
    count.textContent = words.length ? `${shown} of ${rows.length} rows` : "";
  });
  bar.append(input, count);
  table.closest(".table").prepend(bar);
}

for (const table of document.querySelectorAll("table.data")) {
  makeSortable(table);
  addFilter(table);
}
