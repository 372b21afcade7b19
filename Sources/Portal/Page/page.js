// The page's clockwork: asks for the overlay and the services every two seconds and at every event, and hands them on.
import { $, ask, know, make, short } from "/elements.js";
import { showFacts, showMap, showMembers, showWarnings } from "/overlay.js";
import { showServices } from "/services.js";
import { play } from "/player.js";

// MARK: - Looking

let looking = false;
let again = false;

async function look() {
  if (looking) { again = true; return; }
  looking = true;
  try {
    const [overlay, services] = await Promise.all([ask("GET", "/v1/overlay"), ask("GET", "/v1/services")]);
    know(overlay.members.map((member) => member.node));
    showFacts(overlay, services);
    showWarnings(overlay, services);
    showMap(overlay, services);
    showMembers(overlay);
    showServices(services, { play, end });
    say("live", "live");
  } catch (problem) {
    say("lost", problem.detail ?? "This peer does not answer.");
    console.error(problem);
  }
  looking = false;
  if (again) { again = false; look(); }
}

function say(kind, text) {
  const place = $("connection");
  if (place.textContent !== text) place.textContent = text;
  place.className = kind;
}

async function end(id) {
  try {
    await ask("DELETE", `/v1/services/${id}`);
  } catch (problem) {
    say("lost", problem.detail);
  }
  look();
}

function listen() {
  const source = new EventSource("/v1/events");
  let due;
  source.onmessage = (message) => {
    const event = JSON.parse(message.data);
    const time = new Date(event.at_ms);
    $("events").prepend(
      make("li", {},
        make("time", { datetime: time.toISOString() }, time.toLocaleTimeString()),
        make("code", {}, event.kind),
        make("span", {}, event.service ? `${short(event.service)}: ${event.summary}` : event.summary)));
    while ($("events").children.length > 100) $("events").lastChild.remove();
    clearTimeout(due);
    due = setTimeout(look, 100);
  };
}

// MARK: - Requesting

const example = `source: millrace://NODE/talk.mkv
video:
  codec: vp8
  size: 640x360
  fps: 25
  captions: burn
audio:
  codec: opus
captions:
  deliver: webvtt
delivery: webm
`;

function showProblem(problem) {
  const place = $("request-error");
  const text = $("request-text");
  const where = [problem.field, problem.line ? `line ${problem.line}` : null].filter(Boolean).join(", ");
  place.replaceChildren(
    make("strong", {}, where || problem.title), ": ", problem.detail ?? problem.title ?? "It failed.",
    problem.allowed?.length ? make("div", {}, `Allowed: ${problem.allowed.join(", ")}`) : null);
  place.hidden = false;
  text.setAttribute("aria-invalid", "true");
  if (problem.line) {
    const lines = text.value.split("\n");
    const start = lines.slice(0, problem.line - 1).join("\n").length + (problem.line > 1 ? 1 : 0);
    text.focus();
    text.setSelectionRange(start, start + (lines[problem.line - 1] ?? "").length);
  }
}

function clearProblem() {
  $("request-error").hidden = true;
  $("request-text").removeAttribute("aria-invalid");
}

function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function send(path, headers, then) {
  clearProblem();
  const buttons = document.querySelectorAll("#request-form button");
  for (const button of buttons) button.disabled = true;
  try {
    then(await ask("POST", path, $("request-text").value, { "Content-Type": "application/yaml", ...headers }));
  } catch (problem) {
    showProblem(problem);
  }
  for (const button of buttons) button.disabled = false;
}

// The same text sent again after a failure is the same request: it keeps its key.
let attempt = { text: null, key: null };

$("request-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("request-text").value;
  if (attempt.text !== text) attempt = { text, key: newKey() };
  send("/v1/services", { "Idempotency-Key": attempt.key }, (accepted) => {
    attempt = { text: null, key: null };
    $("plan").replaceChildren(make("p", {}, "Taken as ", make("code", {}, short(accepted.id)), "."));
    look();
    $("services").focus();
  });
});

$("plan-button").addEventListener("click", () => {
  send("/v1/plan", {}, (plan) => {
    $("plan").replaceChildren(
      make("ol", { start: 0 }, ...plan.stages.map((stage) => make("li", {},
        make("code", {}, stage.component),
        ` ${Object.entries(stage.parameters).map(([name, value]) => `${name}=${value}`).join(" ")}`,
        stage.inputs.length ? ` ← ${stage.inputs.join(", ")}` : null))),
      ...plan.warnings.map((warning) => make("p", { class: "quiet" }, warning)));
  });
});

$("request-text").addEventListener("input", clearProblem);
$("request-text").value = example;

listen();
look();
setInterval(look, 2000);
