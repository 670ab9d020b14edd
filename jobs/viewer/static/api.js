// What the server answers, and how numbers are written. Texts of an archive become text nodes only, never markup.

export async function ask(name, parameters = {}, options = {}) {
  const answer = await fetch(`/api/${name}?${new URLSearchParams(parameters)}`, options);
  if (!answer.ok) throw new Error((await answer.text()).trim() || `the server answered ${answer.status}`);
  return answer;
}

export async function askJson(name, parameters, options) {
  return (await ask(name, parameters, options)).json();
}

export function service(image, variant) {
  return `/iiif/${variant}/${image.key}/${encodeURIComponent(image.path)}`;
}

export function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (count >= 1000 && at < units.length - 1) { count /= 1000; at += 1; }
  return `${at && count < 100 ? count.toPrecision(3) : Math.round(count)} ${units[at]}`;
}

export function whole(count) { return count.toLocaleString("en"); }
