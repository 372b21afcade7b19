// Members: facts, warnings, the map by network coordinates, the table.
import { $, age, colour, make, plural, rate, short } from "/elements.js";

export function showFacts(overlay, services) {
  $("own-node").textContent = short(overlay.node);
  $("own-node").title = overlay.node;
  const alive = overlay.members.filter((member) => member.state === "alive").length;
  const running = services.filter((service) => service.state === "running").length;
  const facts = [
    [alive, "peer", "alive"], [running, "service", "running"], [overlay.workers, "worker", "here"],
    [overlay.tolerance.crashes, "crash", "borne"], [overlay.tolerance.f, "liar", "borne"],
  ];
  $("facts").replaceChildren(...facts.map(([number, one, what]) =>
    make("li", {}, make("strong", {}, `${number}`), ` ${number === 1 ? one : plural(one)} ${what}`)));
}

export function showWarnings(overlay, services) {
  const texts = [...overlay.warnings, ...overlay.frauds.map((fraud) => `Proven fraud: ${fraud.summary}`)];
  for (const service of services) for (const text of service.warnings) texts.push(`${short(service.id)}: ${text}`);
  const place = $("warnings");
  if (place.dataset.texts === texts.join("\n")) return;
  place.dataset.texts = texts.join("\n");
  place.replaceChildren(...texts.map((text) => make("li", {}, text)));
  place.hidden = texts.length === 0;
}

// MARK: - Map

const width = 560, height = 380, margin = 56;

export function showMap(overlay, services) {
  const placed = overlay.members.filter((member) => member.coordinate && member.state !== "left");
  if (placed.length === 0) {
    $("map").replaceChildren(make("p", { class: "empty" }, "No coordinates yet: they come with the first round trips."));
    return;
  }
  const xs = placed.map((member) => member.coordinate[0]), ys = placed.map((member) => member.coordinate[1]);
  const middle = [(Math.min(...xs) + Math.max(...xs)) / 2, (Math.min(...ys) + Math.max(...ys)) / 2];
  const span = Math.max(1, (Math.max(...xs) - Math.min(...xs)) / (width - 2 * margin) * width, (Math.max(...ys) - Math.min(...ys)) / (height - 2 * margin) * width);
  const unit = width / span * 0.98;
  const at = spread(placed.map((member) => [
    width / 2 + (member.coordinate[0] - middle[0]) * unit, height / 2 - (member.coordinate[1] - middle[1]) * unit,
  ]));
  const places = new Map(placed.map((member, index) => [member.node, at[index]]));

  const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": describe(placed) });
  for (let x = 0; x <= width; x += width / 8) svg.append(make("line", { class: "grid", x1: x, y1: 0, x2: x, y2: height }));
  for (let y = 0; y <= height; y += width / 8) svg.append(make("line", { class: "grid", x1: 0, y1: y, x2: width, y2: y }));
  for (const [from, to, bits] of flows(services)) {
    const [a, b] = [places.get(from), places.get(to)];
    if (a && b) svg.append(make("line", { class: "flow", x1: a[0], y1: a[1], x2: b[0], y2: b[1], "stroke-width": 1.5 + Math.min(8, bits / 2e6) }));
  }
  placed.forEach((member, index) => svg.append(dot(member, at[index])));
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500].findLast((ms) => ms * unit < 110) ?? 0.1;
  svg.append(
    make("line", { class: "scale", x1: 14, y1: height - 14, x2: 14 + step * unit, y2: height - 14 }),
    make("text", { class: "faint", x: 14, y: height - 20, "font-size": 12 }, `${step} ms`));
  $("map").replaceChildren(svg);
}

/** Nodes of one place would lie on one another: push them apart until each can be read. */
function spread(points) {
  const result = points.map((point, index) => [point[0] + Math.cos(index), point[1] + Math.sin(index)]);
  for (let round = 0; round < 60; round += 1) {
    for (let i = 0; i < result.length; i += 1) {
      for (let j = i + 1; j < result.length; j += 1) {
        const [dx, dy] = [result[j][0] - result[i][0], result[j][1] - result[i][1]];
        const distance = Math.hypot(dx, dy) || 1;
        const push = Math.max(0, 62 - distance) / 2 / distance;
        result[i][0] -= dx * push; result[i][1] -= dy * push;
        result[j][0] += dx * push; result[j][1] += dy * push;
      }
    }
    for (const point of result) {
      point[0] = Math.min(width - 40, Math.max(40, point[0]));
      point[1] = Math.min(height - 48, Math.max(28, point[1]));
    }
  }
  return result;
}

function flows(services) {
  const sums = new Map();
  for (const service of services) {
    for (const socket of service.sockets) {
      if (socket.direction !== "out" || !socket.peer || socket.role === "standby") continue;
      const key = `${socket.node} ${socket.peer}`;
      sums.set(key, (sums.get(key) ?? 0) + socket.bits_per_second);
    }
  }
  return [...sums].map(([key, bits]) => [...key.split(" "), bits]);
}

function dot(member, [x, y]) {
  const load = member.load?.own_cpu ?? 0;
  const around = 2 * Math.PI * 17;
  return make("g", { class: `${colour(member.node)}${member.state === "alive" ? "" : " gone"}` },
    make("title", {}, `${member.node}\n${member.address}\n${member.state}, CPU ${percent(load)}`),
    make("circle", { class: "ground", cx: x, cy: y, r: 19 }),
    make("circle", { class: "core", cx: x, cy: y, r: 14 }),
    make("circle", { class: "ring", cx: x, cy: y, r: 17 }),
    make("circle", { class: "fill", cx: x, cy: y, r: 17, "stroke-dasharray": `${around * Math.min(1, load)} ${around}`, transform: `rotate(-90 ${x} ${y})` }),
    make("text", { x, y: y + 4, "text-anchor": "middle", "font-size": 10.5 }, percent(load)),
    make("text", { x, y: y + 36, "text-anchor": "middle", "font-size": 12, "font-weight": member.is_self ? 700 : 400 },
      short(member.node) + (member.is_self ? " (here)" : "")));
}

const percent = (share) => `${Math.round(share * 100)}%`;

function describe(members) {
  return `Map of ${members.length} members: ` + members.map((member) => `${short(member.node)} ${member.state}, CPU ${percent(member.load?.own_cpu ?? 0)}`).join("; ");
}

// MARK: - Table

export function showMembers(overlay) {
  document.querySelector("#members tbody").replaceChildren(...overlay.members.map((member) => {
    const load = member.load;
    const cell = (...children) => make("td", {}, ...children);
    const stale = (load?.age_seconds ?? Infinity) > 30;
    return make("tr", { class: member.state === "alive" || member.state === "suspect" ? null : "gone" },
      make("th", { scope: "row", title: `${member.node} at ${member.address}` },
        make("span", { class: `dot ${colour(member.node)}`, "aria-hidden": "true" }), make("code", {}, short(member.node)),
        member.is_self ? " (here)" : null),
      cell(make("span", { class: `state ${member.state}` }, member.state), ` ${member.is_self ? "" : age(member.age_seconds)}`),
      cell(...meter(load?.own_cpu)), cell(...meter(load?.machine_cpu)), cell(...meter(load?.memory)),
      cell(load ? percent(load.deadline_misses) : "–"), cell(load ? `${load.slots_used} of ${load.slots}` : "–"),
      cell(rate(load?.up_bits_per_second)), cell(rate(load?.down_bits_per_second)),
      cell(member.round_trip_ms === undefined ? "–" : `${member.round_trip_ms.toFixed(1)} ms`),
      make("td", { class: stale ? "stale" : null }, age(load?.age_seconds)));
  }));
}

function meter(share) {
  if (share === undefined) return ["–"];
  const bar = make("span");
  bar.style.width = percent(Math.min(1, share));
  const level = share > 0.9 ? " full" : share > 0.7 ? " high" : "";
  return [make("span", { class: `meter${level}`, "aria-hidden": "true" }, bar), percent(share)];
}
