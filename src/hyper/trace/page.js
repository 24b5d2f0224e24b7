// The page is whole without this: here are the filter of the frames and links into what is folded.
"use strict";
const filter = document.getElementById("filter");
const choice = document.getElementById("stream");
if (filter && choice) {
  const rows = document.querySelectorAll(".frames tbody tr");
  const count = document.getElementById("count");
  filter.hidden = false;
  choice.addEventListener("change", () => {
    let shown = 0;
    for (const row of rows) {
      row.hidden = choice.value !== "" && row.dataset.stream !== choice.value;
      if (!row.hidden) shown += 1;
    }
    count.textContent = choice.value === "" ? "" : ` ${shown} of ${rows.length}`;
  });
}
function unfold() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target && target.tagName === "DETAILS") {
    target.open = true;
    target.scrollIntoView();
  }
}
addEventListener("hashchange", unfold);
unfold();
