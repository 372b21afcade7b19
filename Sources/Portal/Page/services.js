// Services with their live chains: which stages run where, and what flows between.
import { $, age, colour, make, rate, short } from "/elements.js";

export function showServices(services, actions) {
  const place = $("service-list");
  if (services.length === 0) {
    place.replaceChildren(make("p", { class: "empty" }, "No service runs. Ask for one below: any peer takes any request."));
    return;
  }
  const focused = document.activeElement?.dataset?.key;
  const scrolls = new Map([...place.querySelectorAll(".chain")].map((chain) => [chain.dataset.id, chain.scrollLeft]));
  const over = (service) => service.state === "ended" || service.state === "failed";
  const sorted = [...services].sort((a, b) => over(a) - over(b) || a.age_seconds - b.age_seconds);
  place.replaceChildren(...sorted.map((service) => card(service, actions, over(service))));
  for (const chain of place.querySelectorAll(".chain")) chain.scrollLeft = scrolls.get(chain.dataset.id) ?? 0;
  if (focused) place.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

function card(service, { play, end }, isOver) {
  const buttons = make("div", { class: "buttons" });
  if (!isOver && service.outputs.length > 0) {
    buttons.append(make("button", { class: "primary", "data-key": `play ${service.id}`, onclick: () => play(service) }, "Play"));
  }
  if (!isOver) buttons.append(make("button", { "data-key": `end ${service.id}`, onclick: () => end(service.id) }, "End"));
  const facts = [
    service.manager ? `manager ${short(service.manager)} in term ${service.term ?? "?"}` : "no manager yet",
    service.hops ? `${service.hops} ${service.hops === 1 ? "hop" : "hops"}` : null,
    time("election", service.timings.election_ms), time("placement", service.timings.placement_ms),
    time("first media", service.timings.first_media_ms), `asked ${age(service.age_seconds)}`,
  ].filter(Boolean).join(" · ");
  const more = (name, path) => [" · ", make("a", { href: path, "data-key": `${name} ${service.id}` }, name)];
  return make("article", { class: "service", "aria-label": `Service ${short(service.id)}` },
    make("div", { class: "service-head" },
      make("span", { class: `state ${service.state}` }, service.state),
      make("h3", {}, make("code", { title: service.id }, short(service.id)), ` ${summary(service)}`), buttons),
    make("p", { class: "quiet" }, facts,
      ...(service.manager ? more("election", `/v1/elections/${service.id}`) : []),
      ...(service.stages.length ? more("explanation", `/v1/services/${service.id}/explanation`) : [])),
    service.failure ? make("p", { class: "error" }, service.failure.detail) : null,
    service.stages.length && !isOver
      ? make("div", { class: "scroll chain", tabindex: 0, role: "region", "aria-label": "Live chain", "data-id": service.id }, chain(service))
      : null);
}

const time = (name, ms) => (ms === undefined ? null : `${name} ${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`);

function summary(service) {
  return /^\s*"?source"?:\s*"?([^\s",]+)/m.exec(service.request)?.[1] ?? "";
}

// MARK: - The chain

const boxWidth = 176, gap = 118, line = 17, head = 28;

/** Groups in columns by depth, an arrow for each link with its codec and rate. */
function chain(service) {
  const groups = new Map();
  const groupOf = new Map();
  for (const stage of service.stages) {
    const key = `${stage.node} ${stage.group ?? `s${stage.id}`}`;
    if (!groups.has(key)) groups.set(key, { key, node: stage.node, number: stage.group, stages: [], inputs: new Set(), depth: 0 });
    groups.get(key).stages.push(stage);
    groupOf.set(stage.id, groups.get(key));
  }
  for (const stage of service.stages) {
    for (const input of stage.inputs) {
      const from = groupOf.get(input), to = groupOf.get(stage.id);
      if (from && from !== to) to.inputs.add(from);
    }
  }
  for (let round = 0; round < groups.size; round += 1) {
    for (const group of groups.values()) for (const from of group.inputs) group.depth = Math.max(group.depth, from.depth + 1);
  }
  const columns = [];
  for (const group of groups.values()) (columns[group.depth] ??= []).push(group);

  const tall = Math.max(...columns.map((column) => column.reduce((sum, group) => sum + boxHeight(group) + 20, -20)));
  columns.forEach((column, depth) => {
    let y = (tall - column.reduce((sum, group) => sum + boxHeight(group) + 20, -20)) / 2 + 2;
    for (const group of column) {
      group.x = depth * (boxWidth + gap) + 2;
      group.y = y;
      y += boxHeight(group) + 20;
    }
  });
  const width = columns.length * (boxWidth + gap) - gap + 4;
  const svg = make("svg", { width, height: tall + 4, viewBox: `0 0 ${width} ${tall + 4}`, role: "img", "aria-label": describe(groups) });
  for (const group of groups.values()) for (const from of group.inputs) svg.append(arrow(service, from, group));
  for (const group of groups.values()) svg.append(box(group));
  return svg;
}

const boxHeight = (group) => head + 10 + group.stages.length * line;

function box(group) {
  const reused = group.stages.every((stage) => stage.reused);
  const result = make("g", { class: colour(group.node) },
    make("title", {}, `${group.node ?? "not placed"}${reused ? "\nreused: it ran already" : ""}`),
    make("rect", { class: `box${reused ? " reused" : ""}`, x: group.x, y: group.y, width: boxWidth, height: boxHeight(group), rx: 9 }),
    make("path", { class: "box-head", d: `M${group.x} ${group.y + head}v${9 - head}q0 -9 9 -9h${boxWidth - 18}q9 0 9 9v${head - 9}z` }),
    make("circle", { cx: group.x + 14, cy: group.y + 14, r: 4.5, fill: "currentColor" }),
    make("text", { x: group.x + 25, y: group.y + 18.5, "font-size": 12.5, "font-weight": 600 }, short(group.node) || "not placed"));
  if (reused) result.append(make("text", { class: "faint", x: group.x + boxWidth - 8, y: group.y + 18, "text-anchor": "end", "font-size": 11 }, "reused"));
  group.stages.forEach((stage, index) => {
    const settings = Object.entries(stage.parameters).map(([name, value]) => `${name}=${value}`);
    const label = stage.component + (stage.parameters.width ? ` ${stage.parameters.width}×${stage.parameters.height}` : "");
    result.append(make("text", { x: group.x + 12, y: group.y + head + 17 + index * line, "font-size": 12 },
      make("title", {}, `${stage.component}\n${settings.join("\n")}`), clip(label, 26)));
  });
  return result;
}

const clip = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

function arrow(service, from, to) {
  const socket = service.sockets.find((one) =>
    one.direction === "out" && one.node === from.node && one.peer === to.node && one.group === from.number && one.role !== "standby")
    ?? service.sockets.find((one) => one.direction === "in" && one.node === to.node && one.peer === from.node && one.group === to.number && one.role !== "standby");
  const [x1, y1] = [from.x + boxWidth, from.y + boxHeight(from) / 2];
  const [x2, y2] = [to.x - 7, to.y + boxHeight(to) / 2];
  const bend = gap / 2;
  // A link over several columns runs straight under them and bends in the last gap.
  const isLong = to.depth - from.depth > 1;
  const turn = to.x - gap;
  const d = isLong
    ? `M${x1} ${y1}H${turn}C${turn + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`
    : `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
  const result = make("g", {},
    make("path", { class: "link", d }),
    socket?.bits_per_second > 0 ? make("path", { class: "moving", d }) : null,
    make("path", { d: `M${x2 + 7} ${y2}l-8 -4.5v9z`, fill: "currentColor", class: "faint" }));
  if (socket) {
    const [x, y] = [x1 + gap / 2, isLong ? y1 : (y1 + y2) / 2];
    result.append(
      make("title", {}, `${socket.format ?? socket.codec ?? ""}\n${socket.packets} packets, ${socket.bytes} bytes\npositions ${socket.first_position ?? "–"} … ${socket.last_position ?? "–"}, acknowledged ${socket.acknowledged ?? "–"}\n${socket.switches} switches`),
      make("text", { class: "halo", x, y: y - 6, "text-anchor": "middle", "font-size": 11 }, socket.codec ?? ""),
      make("text", { class: "faint halo", x, y: y + 14, "text-anchor": "middle", "font-size": 11 }, rate(socket.bits_per_second)));
  }
  return result;
}

function describe(groups) {
  return [...groups.values()].map((group) =>
    `${group.stages.map((stage) => stage.component).join(", ")} on ${short(group.node)}`
    + (group.inputs.size ? ` from ${[...group.inputs].map((from) => short(from.node)).join(" and ")}` : "")).join("; ");
}
