// Tables that sort, the switch of normalizers, and tooltips that say what a mark's label says.
"use strict";

const collator = new Intl.Collator(undefined, { numeric: true });

function shownIn(cell) {
  for (const span of cell.querySelectorAll("[data-sort]")) {
    if (span.offsetParent !== null || getComputedStyle(span).display !== "none") return span.dataset.sort;
  }
  return "";
}

function compareKeys(a, b) {
  const x = Number(a), y = Number(b);
  if (a !== "" && b !== "" && !Number.isNaN(x) && !Number.isNaN(y)) return x - y;
  if (a === "inf") return 1;
  if (b === "inf") return -1;
  return collator.compare(a, b);
}

function sortTable(table, column, ascending) {
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row, at) => ({ row, at, key: shownIn(row.cells[column]) }));
  rows.sort((a, b) => {
    if ((a.key === "inf") !== (b.key === "inf")) return a.key === "inf" ? 1 : -1; // none is last
    return (ascending ? 1 : -1) * compareKeys(a.key, b.key) || a.at - b.at;
  });
  body.append(...rows.map((each) => each.row));
  [...table.tHead.rows[0].cells].forEach((head, i) => {
    head.setAttribute("aria-sort", i === column ? (ascending ? "ascending" : "descending") : "none");
  });
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      sortTable(table, column, head.getAttribute("aria-sort") !== "ascending");
    });
  });
}

for (const choice of document.querySelectorAll(".switch input")) {
  choice.addEventListener("change", () => {
    document.body.dataset.normalizer = choice.value;
    for (const other of document.querySelectorAll(`.switch input[value="${choice.value}"]`)) other.checked = true;
  });
}

const tooltip = document.createElement("div");
tooltip.id = "tooltip";
tooltip.hidden = true;
document.body.append(tooltip);
document.addEventListener("pointermove", (event) => {
  const mark = event.target.closest ? event.target.closest(".chart [aria-label]") : null;
  const isMark = mark !== null && mark.tagName !== "g";
  tooltip.hidden = !isMark;
  if (!isMark) return;
  tooltip.textContent = mark.getAttribute("aria-label");
  const box = tooltip.getBoundingClientRect();
  tooltip.style.left = `${Math.min(event.clientX + 12, innerWidth - box.width - 8)}px`;
  tooltip.style.top = `${event.clientY + 16 + box.height > innerHeight ? event.clientY - box.height - 10 : event.clientY + 16}px`;
});
