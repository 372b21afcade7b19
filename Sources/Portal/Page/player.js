// The player: a plain video element on the delivery, captions beside it as a track; text alone is shown as it comes.
import { $, make, short } from "/elements.js";

let reading = null;

export function play(service) {
  const video = $("video");
  const isText = (output) => output.mime_type.startsWith("text/");
  const main = service.outputs.find((output) => !isText(output));
  const captions = service.outputs.filter(isText);
  stop();
  $("watch").hidden = false;
  $("watch").scrollIntoView({ block: "nearest" });
  $("watch-title").textContent = `Playing ${short(service.id)}`;
  video.hidden = !main;
  $("captions-text").hidden = Boolean(main);
  $("video-facts").textContent = service.outputs.map((output) => `${output.name}: ${output.mime_type}`).join(" · ");
  if (!main) {
    read(captions[0]);
    return;
  }
  video.replaceChildren(
    ...captions.map((output, index) => make("track", {
      kind: "captions", src: output.url, label: output.language ?? output.name, srclang: output.language ?? "und", default: index === 0,
    })));
  video.src = main.url;
  for (const track of video.textTracks) track.mode = "showing";
  video.play().catch((error) => {
    if (error.name !== "AbortError") fail(error.name === "NotAllowedError" ? "Press play: the browser waits for you." : error.message);
  });
}

function stop() {
  reading?.abort();
  reading = null;
  $("video-error").hidden = true;
  $("captions-text").textContent = "";
  $("video").removeAttribute("src");
  $("video").load();
}

async function read(output) {
  reading = new AbortController();
  try {
    const answer = await fetch(output.url, { signal: reading.signal });
    if (!answer.ok) throw new Error((await answer.json()).detail);
    const lines = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await lines.read(); !part.done; part = await lines.read()) {
      $("captions-text").textContent += part.value;
      $("captions-text").scrollTop = $("captions-text").scrollHeight;
    }
  } catch (error) {
    if (error.name !== "AbortError") fail(error.message);
  }
}

function fail(text) {
  $("video-error").textContent = text;
  $("video-error").hidden = false;
}

$("video").addEventListener("error", () => {
  const error = $("video").error;
  if (error && $("video").getAttribute("src")) fail(`The stream cannot be played: ${error.message || `code ${error.code}`}`);
});
