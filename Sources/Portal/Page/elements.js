// What the other scripts share: elements, names of nodes, numbers for people, and asking the API.

export const $ = (id) => document.getElementById(id);

/** Makes an element: `make("td", { class: "x" }, "text", child)`. Text is never read as markup. */
export function make(name, attributes = {}, ...children) {
  const svg = ["svg", "g", "circle", "line", "path", "text", "rect", "title", "tspan"].includes(name);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const short = (node) => (node ?? "").slice(0, 8);

let known = [];

/** Tells which nodes there are: eight colours go round in the order of their IDs, so each peer's page gives a node the same one. */
export function know(nodes) { known = [...nodes].sort(); }

export const colour = (node) => (known.includes(node) ? `c${known.indexOf(node) % 8}` : "faint");

/** Of an English noun that takes -s, or -es after a hiss. */
export const plural = (noun) => (/(s|sh|ch|x)$/.test(noun) ? `${noun}es` : `${noun}s`);

export function rate(bitsPerSecond) {
  if (bitsPerSecond === undefined || bitsPerSecond === null) return "–";
  if (bitsPerSecond < 1e3) return `${Math.round(bitsPerSecond)} bit/s`;
  if (bitsPerSecond < 1e6) return `${(bitsPerSecond / 1e3).toFixed(0)} kbit/s`;
  return `${(bitsPerSecond / 1e6).toFixed(1)} Mbit/s`;
}

export function age(seconds) {
  if (seconds === undefined || seconds === null) return "never";
  if (seconds < 1) return "now";
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return `${Math.round(seconds / 3600)} h ago`;
}

/** Asks the API. Throws the problem document when it refuses. */
export async function ask(method, path, body, headers = {}) {
  let answer;
  try {
    answer = await fetch(path, { method, body, headers, cache: "no-store" });
  } catch {
    throw { title: "Unreachable", detail: "This peer does not answer.", status: 0 };
  }
  const document = await answer.json().catch(() => ({ title: "No answer", detail: `HTTP ${answer.status}`, status: answer.status }));
  if (!answer.ok) throw document;
  return document;
}
