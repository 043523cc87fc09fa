// What pages need besides htmx: nothing depends on it.
"use strict";
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select");
  if (event.key === "/" && !typing) {
    const search = document.querySelector("input[type=search]");
    if (search) { event.preventDefault(); search.focus(); }
  }
  if (event.key === "Escape") {
    for (const open of document.querySelectorAll("details.menu[open], details.pop[open]")) open.open = false;
  }
});
document.addEventListener("click", (event) => {
  for (const open of document.querySelectorAll("details.menu[open], details.pop[open]")) {
    if (!open.contains(event.target)) open.open = false;
  }
});
// The slider keeps the focus while what is around it is exchanged.
document.addEventListener("htmx:before:swap", () => {
  const active = document.activeElement;
  if (active && active.id && active.type === "range") document.body.dataset.focus = active.id;
});
document.addEventListener("htmx:after:swap", () => {
  const again = document.getElementById(document.body.dataset.focus || "");
  if (again) again.focus();
  delete document.body.dataset.focus;
  const live = document.getElementById("live");
  while (live && live.children.length > 12) live.lastElementChild.remove();
});
// Ends what a button has under way: closing the connection ends the work.
document.addEventListener("click", (event) => {
  const cancel = event.target.closest("[data-cancel]");
  if (!cancel) return;
  document.getElementById(cancel.dataset.cancel).dispatchEvent(new Event("htmx:abort"));
  cancel.closest("section").textContent = "Cancelled.";
});
