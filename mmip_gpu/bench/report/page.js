"use strict";
// A click on a heading sorts the table by its column: numbers as numbers, what is missing last.
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const isUp = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", isUp ? "ascending" : "descending");
    const key = (row) => {
      const field = row.cells[column];
      if (field.tagName === "TH") return field.textContent;
      if (!("key" in field.dataset)) return null;
      const text = field.dataset.key;
      return text === "inf" ? Infinity : text !== "" && !isNaN(text) ? Number(text) : text;
    };
    const rows = [...table.tBodies[0].rows].map((row) => [key(row), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      const order = typeof a === "number" && typeof b === "number" ? (a > b) - (a < b) : String(a).localeCompare(String(b));
      return isUp ? order : -order;
    });
    rows.forEach(([, row]) => table.tBodies[0].append(row));
  }));
}
// A box of the legend hides its codec, or the intervals, in every chart.
for (const box of document.querySelectorAll(".legend input")) {
  const update = () => {
    for (const line of document.querySelectorAll(`.chart .${box.dataset.series}`)) line.classList.toggle("hidden", !box.checked);
  };
  box.addEventListener("change", update);
  update();
}
document.querySelector(".legend button")?.addEventListener("click", () => {
  const boxes = [...document.querySelectorAll(".legend input:not([data-series=band])")];
  const show = boxes.some((box) => !box.checked);
  for (const box of boxes) {
    box.checked = show;
    box.dispatchEvent(new Event("change"));
  }
});
