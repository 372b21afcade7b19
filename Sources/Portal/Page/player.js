// The player: a plain video element on the delivery; captions beside it, cue by cue as they come; text alone as lines.
//
// Captions are not a <track src>: browsers hold a video back until its tracks have loaded, and a live text stream ends with the video.
import { $, short } from "/elements.js";

let reading = new AbortController();

export function play(service) {
  const isText = (output) => output.mime_type.startsWith("text/");
  const main = service.outputs.find((output) => !isText(output));
  const captions = service.outputs.filter(isText);
  const video = start();
  $("watch-title").textContent = `Playing ${short(service.id)}`;
  $("video-facts").textContent = service.outputs.map((output) => `${output.name}: ${output.mime_type}`).join(" · ");
  video.hidden = !main;
  $("captions-text").hidden = Boolean(main);
  if (!main) {
    follow(captions[0], (cue) => {
      $("captions-text").textContent += `${clock(cue.startTime)}  ${cue.text}\n`;
      $("captions-text").scrollTop = $("captions-text").scrollHeight;
    });
    return;
  }
  captions.forEach((output, index) => {
    const track = video.addTextTrack("captions", output.language ?? output.name, output.language ?? "und");
    track.mode = index === 0 ? "showing" : "hidden";
    follow(output, (cue) => track.addCue(cue));
  });
  video.src = main.url;
  video.play().catch((error) => {
    if (error.name !== "AbortError") fail(error.name === "NotAllowedError" ? "Press play: the browser waits for you." : error.message);
  });
}

/** A fresh element for each service: an old one keeps its tracks. */
function start() {
  reading.abort();
  reading = new AbortController();
  const old = $("video");
  const video = old.cloneNode(false);
  old.removeAttribute("src");
  old.load();
  old.replaceWith(video);
  video.removeAttribute("src");
  video.addEventListener("error", () => {
    if (video.error && video.getAttribute("src")) fail(`The stream cannot be played: ${video.error.message || `code ${video.error.code}`}`);
  });
  $("video-error").hidden = true;
  $("captions-text").textContent = "";
  $("watch").hidden = false;
  $("watch").scrollIntoView({ block: "nearest" });
  return video;
}

function fail(text) {
  $("video-error").textContent = text;
  $("video-error").hidden = false;
}

// MARK: - WebVTT as it comes

async function follow(output, take) {
  const signal = reading.signal;
  try {
    const answer = await fetch(output.url, { signal });
    if (!answer.ok) throw new Error((await answer.json()).detail);
    const parts = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let pending = "";
    for (let part = await parts.read(); !part.done; part = await parts.read()) {
      const blocks = (pending + part.value).replaceAll("\r\n", "\n").split("\n\n");
      pending = blocks.pop();
      for (const block of blocks) deliver(block, take);
    }
    deliver(pending, take);
  } catch (error) {
    if (!signal.aborted) fail(`Captions: ${error.message}`);
  }
}

function deliver(block, take) {
  const lines = block.split("\n");
  const index = lines.findIndex((line) => line.includes("-->"));
  if (index < 0 || lines[0].startsWith("NOTE")) return;
  const [from, to] = lines[index].split("-->").map((text) => seconds(text.trim().split(/\s/)[0]));
  if (Number.isFinite(from) && Number.isFinite(to)) take(new VTTCue(from, to, lines.slice(index + 1).join("\n")));
}

const seconds = (text) => text.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);

const clock = (time) => new Date(time * 1000).toISOString().slice(11, 19);
