// Charts: what a mark says when it is pointed at or touched, and one line among many by its name in the legend.

const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
document.body.append(tip);

function show(event) {
  const mark = event.target.closest?.("[data-tip]");
  tip.hidden = !mark;
  if (!mark) return;
  tip.textContent = mark.dataset.tip;
  const box = tip.getBoundingClientRect();
  const left = Math.min(Math.max(4, event.clientX - box.width / 2), innerWidth - box.width - 4);
  const above = event.clientY - box.height - 14;
  tip.style.left = `${left}px`;
  tip.style.top = `${above > 4 ? above : event.clientY + 18}px`;
}

for (const chart of document.querySelectorAll(".charts svg")) {
  chart.addEventListener("pointermove", show);
  chart.addEventListener("pointerdown", show);
  chart.addEventListener("pointerleave", () => { tip.hidden = true; });
}
addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

for (const section of document.querySelectorAll("div.curves")) {
  for (const entry of section.querySelectorAll(".legend li")) {
    const lines = section.querySelectorAll("svg > g");
    const set = (faded) => {
      for (const line of lines) {
        const same = [...entry.classList].every((name) => line.classList.contains(name));
        line.classList.toggle("faded", faded && !same);
      }
    };
    entry.tabIndex = 0;
    for (const type of ["pointerenter", "focus"]) entry.addEventListener(type, () => set(true));
    for (const type of ["pointerleave", "blur"]) entry.addEventListener(type, () => set(false));
  }
}
