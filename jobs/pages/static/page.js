// What every page has: the current section in the navigation, light and dark, commands to copy.

const nav = document.getElementById("sections");

// The current section is the last one whose top has passed the upper third of the window.
const links = new Map([...nav.querySelectorAll("a")].map((link) => [link.hash.slice(1), link]));
const sections = [...document.querySelectorAll("main > section")];

function markCurrent() {
  const passed = sections.filter((section) => section.getBoundingClientRect().top < innerHeight / 3);
  const atEnd = scrollY > 0 && scrollY + innerHeight >= document.documentElement.scrollHeight - 2;
  const current = atEnd ? sections.at(-1) : (passed.at(-1) ?? sections[0]);
  for (const [name, link] of links) {
    const here = name === current?.id;
    if (here === link.hasAttribute("aria-current")) continue;
    link.toggleAttribute("aria-current", here);
    if (here) {
      link.setAttribute("aria-current", "true");
      const list = link.closest("ul");
      list.scrollLeft = link.offsetLeft - list.clientWidth / 3; // only the list: the page must not move
    }
  }
}

let waiting = false;
addEventListener("scroll", () => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    markCurrent();
  });
}, { passive: true });
markCurrent();

// Light or dark: as the system says, until the button is pressed.
const theme = document.createElement("button");
theme.type = "button";
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
let chosen = null;

function isDark() {
  return chosen === null ? systemIsDark.matches : chosen === "dark";
}

function showTheme() {
  document.documentElement.style.colorScheme = chosen ?? "";
  theme.textContent = isDark() ? "☀ Light" : "☾ Dark";
  theme.setAttribute("aria-label", isDark() ? "Show the page light" : "Show the page dark");
}

theme.addEventListener("click", () => {
  chosen = isDark() ? "light" : "dark";
  showTheme();
});
systemIsDark.addEventListener("change", showTheme);
addEventListener("beforeprint", () => { document.documentElement.style.colorScheme = ""; }); // paper is light
addEventListener("afterprint", showTheme);
showTheme();
nav.append(theme);

// Commands: a button beside each copies it.
for (const command of document.querySelectorAll("code.command")) {
  const copy = document.createElement("button");
  copy.type = "button";
  copy.className = "copy";
  copy.textContent = "copy";
  copy.setAttribute("aria-label", `Copy the command ${command.textContent}`);
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command.textContent);
      copy.textContent = "copied";
      setTimeout(() => { copy.textContent = "copy"; }, 1500);
    } catch { // not allowed here: it is selected instead
      getSelection().selectAllChildren(command);
    }
  });
  command.after(copy);
}
