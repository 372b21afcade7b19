// Made by Tools/generate-page from Sources/Portal/Page. Do not edit.
// swift-format-ignore-file

/// The page's files and the API's description, as they stand in `Sources/Portal/Page`.
enum PageSources {
  static let elements_js = ###"""
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

"""###

  static let icon_svg = ###"""
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" role="img" aria-label="Millrace">
  <rect width="32" height="32" rx="8" fill="#0f766e"/>
  <path d="M4 12c4-4 8 4 12 0s8 4 12 0M4 20c4-4 8 4 12 0s8 4 12 0" fill="none" stroke="#fff" stroke-width="2.6" stroke-linecap="round"/>
</svg>

"""###

  static let index_html = ###"""
<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>Millrace</title>
  <link rel="icon" href="/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/page.css">
  <script type="module" src="/page.js"></script>
</head>
<body>
  <a class="skip" href="#services">Skip to services</a>
  <header>
    <img src="/icon.svg" alt="" width="32" height="32">
    <div>
      <h1>Millrace</h1>
      <p>peer <code id="own-node">…</code></p>
    </div>
    <ul id="facts" aria-label="The overlay in numbers"></ul>
    <p id="connection" role="status">connecting…</p>
  </header>
  <noscript><p class="notice">This page needs its scripts; the same is at <a href="/v1/overlay">/v1/overlay</a> and <a href="/v1/services">/v1/services</a>.</p></noscript>
  <ul id="warnings" role="status" aria-label="Warnings" hidden></ul>

  <main>
    <section id="watch" aria-labelledby="watch-title" hidden>
      <h2 id="watch-title">Playing</h2>
      <video id="video" controls playsinline></video>
      <pre id="captions-text" tabindex="0" aria-label="Captions" hidden></pre>
      <p id="video-facts" class="quiet"></p>
      <p id="video-error" class="error" role="alert" hidden></p>
    </section>

    <section id="services" aria-labelledby="services-title" tabindex="-1">
      <h2 id="services-title">Services</h2>
      <div id="service-list"></div>
    </section>

    <section aria-labelledby="request-title">
      <h2 id="request-title">Request a service</h2>
      <form id="request-form">
        <label for="request-text">Request, as YAML</label>
        <textarea id="request-text" rows="13" spellcheck="false" autocapitalize="off" autocomplete="off"
          aria-describedby="request-hint request-error"></textarea>
        <p id="request-hint" class="quiet">Put the node that shares your file, and the file’s path in its share, after <code>millrace://</code>.</p>
        <div id="request-error" class="error" role="alert" hidden></div>
        <div class="buttons">
          <button type="submit" class="primary">Request</button>
          <button type="button" id="plan-button">Show the plan only</button>
        </div>
      </form>
      <div id="plan" role="status"></div>
    </section>

    <section id="map-section" aria-labelledby="map-title">
      <h2 id="map-title">Map</h2>
      <p class="quiet">Distance is round-trip time; a ring fills with the node’s CPU load.</p>
      <div id="map"></div>
    </section>

    <section id="members-section" aria-labelledby="members-title">
      <h2 id="members-title">Members</h2>
      <div class="scroll" tabindex="0" role="region" aria-labelledby="members-title">
        <table id="members">
          <thead>
            <tr>
              <th scope="col">Node</th><th scope="col">State</th><th scope="col">Own CPU</th><th scope="col">Machine CPU</th>
              <th scope="col">Memory</th><th scope="col">Late frames</th><th scope="col">Workers</th>
              <th scope="col">Sends</th><th scope="col">Receives</th><th scope="col">Round trip</th><th scope="col">Measured</th>
            </tr>
          </thead>
          <tbody></tbody>
        </table>
      </div>
    </section>

    <section id="events-section" aria-labelledby="events-title">
      <h2 id="events-title">Events</h2>
      <ol id="events" tabindex="0" aria-label="Latest events, newest first"></ol>
    </section>
  </main>
  <footer class="quiet">
    <a href="/openapi.yaml">API</a> · <a href="/metrics">Metrics</a> · <a href="/healthz">Health</a>
  </footer>
</body>
</html>

"""###

  static let openapi_yaml = ###"""
openapi: 3.1.0
info:
  title: Millrace portal
  version: "1"
  description: >-
    Any peer of the overlay answers. Numbers carry their units in their names; what is shown of others carries its age in
    `age_seconds`. Every refusal is `application/problem+json` (RFC 9457) with `type`, `title`, `status`, `detail` and,
    where they apply, `field`, `line`, `value`, `allowed`, `peer` and `retry_after_seconds`.
    There are no CORS headers; requests with a foreign `Origin` or `Host` are refused.
servers:
  - url: /
paths:
  /v1/services:
    post:
      summary: "Ask for a service"
      parameters:
        - {$ref: "#/components/parameters/IdempotencyKey"}
        - {$ref: "#/components/parameters/Coordinate"}
      requestBody: {$ref: "#/components/requestBodies/Document"}
      responses:
        "201":
          description: Taken; a manager is elected.
          headers:
            Location: {schema: {type: string}}
          content:
            application/json:
              schema: {$ref: "#/components/schemas/ServiceAccepted"}
        "200":
          description: "The same idempotency key and document came before; this is that service."
          content:
            application/json:
              schema: {$ref: "#/components/schemas/ServiceAccepted"}
        default: {$ref: "#/components/responses/Problem"}
    get:
      summary: "All services that the peer knows"
      responses:
        "200":
          description: Oldest first.
          content:
            application/json:
              schema: {type: array, items: {$ref: "#/components/schemas/Service"}}
        default: {$ref: "#/components/responses/Problem"}
  /v1/services/{id}:
    get:
      summary: "One service with its live chain"
      parameters:
        - {$ref: "#/components/parameters/Id"}
      responses:
        "200":
          description: "Stages, sockets, outputs, timings."
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Service"}
        default: {$ref: "#/components/responses/Problem"}
    delete:
      summary: "End a service; ending an ended one changes nothing"
      parameters:
        - {$ref: "#/components/parameters/Id"}
      responses:
        "200":
          description: "As it is now."
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Service"}
        default: {$ref: "#/components/responses/Problem"}
  /v1/services/{id}/events:
    get:
      summary: "What happens to it, as server-sent events"
      parameters:
        - {$ref: "#/components/parameters/Id"}
        - {$ref: "#/components/parameters/LastEvent"}
      responses:
        "200":
          description: "Each event has an id and one line of JSON; comments keep the connection open."
          content:
            text/event-stream:
              schema: {$ref: "#/components/schemas/Event"}
        default: {$ref: "#/components/responses/Problem"}
  /v1/services/{id}/media:
    get:
      summary: "The request's first output, progressively"
      parameters:
        - {$ref: "#/components/parameters/Id"}
        - {$ref: "#/components/parameters/From"}
      responses:
        "200":
          description: >-
            The stream from its beginning or from `from`. With `Accept: application/vnd.millrace.chunks` each chunk is framed:
            payload length (4 bytes), position (8 bytes), flags (1 byte: 1 key, 2 preamble, 4 end, 8 problem), payload; big-endian.
            The preamble comes first; a body without an end or problem frame was cut off and can be resumed at the last position + 1.
          headers:
            X-Millrace-Service: {schema: {type: string}}
            X-Millrace-Output: {schema: {type: string}}
            X-Millrace-Live: {schema: {type: boolean}}
            X-Millrace-Media-Type: {description: "Of the payload, when framed.", schema: {type: string}}
          content:
            video/webm: {}
            video/mp4: {}
            audio/ogg: {}
            text/vtt: {}
            application/vnd.millrace.chunks: {}
        "410": {$ref: "#/components/responses/Problem"}
        default: {$ref: "#/components/responses/Problem"}
  /v1/services/{id}/media/{output}:
    get:
      summary: "One output, progressively"
      parameters:
        - {$ref: "#/components/parameters/Id"}
        - {$ref: "#/components/parameters/Output"}
        - {$ref: "#/components/parameters/From"}
      responses:
        "200":
          description: >-
            The stream from its beginning or from `from`. With `Accept: application/vnd.millrace.chunks` each chunk is framed:
            payload length (4 bytes), position (8 bytes), flags (1 byte: 1 key, 2 preamble, 4 end, 8 problem), payload; big-endian.
            The preamble comes first; a body without an end or problem frame was cut off and can be resumed at the last position + 1.
          headers:
            X-Millrace-Service: {schema: {type: string}}
            X-Millrace-Output: {schema: {type: string}}
            X-Millrace-Live: {schema: {type: boolean}}
            X-Millrace-Media-Type: {description: "Of the payload, when framed.", schema: {type: string}}
          content:
            video/webm: {}
            video/mp4: {}
            audio/ogg: {}
            text/vtt: {}
            application/vnd.millrace.chunks: {}
        "410": {$ref: "#/components/responses/Problem"}
        default: {$ref: "#/components/responses/Problem"}
  /v1/services/{id}/explanation:
    get:
      summary: "Why each stage went where it went"
      parameters:
        - {$ref: "#/components/parameters/Id"}
      responses:
        "200":
          description: "Candidates, costs, the winner and why."
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Explanation"}
        default: {$ref: "#/components/responses/Problem"}
  /v1/events:
    get:
      summary: "What happens to all services, as server-sent events"
      parameters:
        - {$ref: "#/components/parameters/LastEvent"}
      responses:
        "200":
          description: "Each event has an id and one line of JSON; comments keep the connection open."
          content:
            text/event-stream:
              schema: {$ref: "#/components/schemas/Event"}
        default: {$ref: "#/components/responses/Problem"}
  /v1/overlay:
    get:
      summary: "The overlay as this peer sees it"
      responses:
        "200":
          description: "Members with load, rates, coordinates and their age."
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Overlay"}
        default: {$ref: "#/components/responses/Problem"}
  /v1/elections/{id}:
    get:
      summary: "Electorate, votes, mandate, and the signed evidence"
      parameters:
        - {$ref: "#/components/parameters/Id"}
      responses:
        "200":
          description: "What `millrace verify` checks."
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Election"}
        default: {$ref: "#/components/responses/Problem"}
  /v1/plan:
    post:
      summary: "What the builder makes of a request; nothing runs"
      requestBody: {$ref: "#/components/requestBodies/Document"}
      responses:
        "200":
          description: "The graph."
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Plan"}
        default: {$ref: "#/components/responses/Problem"}
  /metrics:
    get:
      summary: "Counters and gauges for Prometheus"
      responses:
        "200":
          description: "Text exposition format 0.0.4."
          content:
            text/plain:
              schema: {type: string}
        default: {$ref: "#/components/responses/Problem"}
  /healthz:
    get:
      summary: "Whether this peer can take requests"
      responses:
        "200":
          description: "It can."
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Health"}
        "503":
          description: "It starts or stops."
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Health"}
        default: {$ref: "#/components/responses/Problem"}
  /openapi.yaml:
    get:
      summary: "This description"
      responses:
        "200":
          description: "YAML."
          content:
            application/yaml:
              schema: {type: string}
        default: {$ref: "#/components/responses/Problem"}
  /:
    get:
      summary: "The page"
      responses:
        "200":
          description: "The page."
          content:
            text/html:
              schema: {type: string}
        default: {$ref: "#/components/responses/Problem"}
  /page.css:
    get:
      summary: "Its looks"
      responses:
        "200":
          description: "Its looks."
          content:
            text/css:
              schema: {type: string}
        default: {$ref: "#/components/responses/Problem"}
  /page.js:
    get:
      summary: "Its clockwork"
      responses:
        "200":
          description: "Its clockwork."
          content:
            text/javascript:
              schema: {type: string}
        default: {$ref: "#/components/responses/Problem"}
  /elements.js:
    get:
      summary: "What its scripts share"
      responses:
        "200":
          description: "What its scripts share."
          content:
            text/javascript:
              schema: {type: string}
        default: {$ref: "#/components/responses/Problem"}
  /overlay.js:
    get:
      summary: "Its map and members"
      responses:
        "200":
          description: "Its map and members."
          content:
            text/javascript:
              schema: {type: string}
        default: {$ref: "#/components/responses/Problem"}
  /services.js:
    get:
      summary: "Its services and chains"
      responses:
        "200":
          description: "Its services and chains."
          content:
            text/javascript:
              schema: {type: string}
        default: {$ref: "#/components/responses/Problem"}
  /player.js:
    get:
      summary: "Its player"
      responses:
        "200":
          description: "Its player."
          content:
            text/javascript:
              schema: {type: string}
        default: {$ref: "#/components/responses/Problem"}
  /icon.svg:
    get:
      summary: "Its icon"
      responses:
        "200":
          description: "Its icon."
          content:
            image/svg+xml:
              schema: {type: string}
        default: {$ref: "#/components/responses/Problem"}
components:
  parameters:
    Id: {name: id, in: path, required: true, description: "The service's ID.", schema: {type: string, pattern: "^[A-Za-z0-9._-]{1,128}$"}}
    Output: {name: output, in: path, required: true, description: "The output's name, e.g. `main`.", schema: {type: string, pattern: "^[A-Za-z0-9._-]{1,128}$"}}
    From: {name: from, in: query, description: "First position wanted; a resuming client's last + 1.", schema: {type: integer, minimum: 0}}
    LastEvent: {name: Last-Event-ID, in: header, description: The last event seen; what was missed comes first., schema: {type: integer}}
    IdempotencyKey: {name: Idempotency-Key, in: header, description: Makes a retry safe., schema: {type: string, minLength: 1, maxLength: 255}}
    Coordinate:
      name: Millrace-Coordinate
      in: header
      description: The client's network coordinate, four values and a height in milliseconds, comma-separated.
      schema: {type: string, examples: ["1.5,-2,0,0,0.3"]}
  requestBodies:
    Document:
      required: true
      description: A request document of at most 64 KiB.
      content:
        application/yaml: {schema: {type: string}}
        application/json: {schema: {type: object}}
  responses:
    Problem:
      description: Refused, and why.
      content:
        application/problem+json:
          schema: {$ref: "#/components/schemas/Problem"}
  schemas:
    Problem:
      type: object
      required: [type, title, status, detail]
      properties:
        type: {type: string}
        title: {type: string}
        status: {type: integer}
        detail: {type: string}
        field: {type: string}
        line: {type: integer}
        value: {type: string}
        allowed: {type: array, items: {type: string}}
        peer: {type: string}
        retry_after_seconds: {type: integer}
    ServiceState: {type: string, enum: [electing, planning, reserving, running, frozen, ended, failed]}
    ServiceAccepted:
      type: object
      required: [id, state, outputs, is_repeat]
      properties:
        id: {type: string}
        state: {$ref: "#/components/schemas/ServiceState"}
        manager: {type: string}
        term: {type: string}
        outputs: {type: array, items: {$ref: "#/components/schemas/Output"}}
        is_repeat: {type: boolean}
    Output:
      type: object
      required: [name, url, mime_type]
      properties:
        name: {type: string}
        url: {type: string}
        mime_type: {type: string}
        language: {type: string}
    Service:
      type: object
      required: [id, state, age_seconds, request, electorate, portal, stages, sockets, hops, outputs, timings, frozen, warnings]
      properties:
        id: {type: string}
        state: {$ref: "#/components/schemas/ServiceState"}
        age_seconds: {type: number}
        heard_seconds_ago: {type: number}
        request: {type: string}
        manager: {type: string}
        term: {type: string}
        epoch: {type: integer}
        electorate: {type: array, items: {type: string}}
        portal: {type: string}
        stages: {type: array, items: {$ref: "#/components/schemas/Stage"}}
        sockets: {type: array, items: {$ref: "#/components/schemas/Socket"}}
        hops: {type: integer}
        outputs: {type: array, items: {$ref: "#/components/schemas/Output"}}
        timings: {$ref: "#/components/schemas/Timings"}
        frozen: {type: boolean}
        warnings: {type: array, items: {type: string}}
        failure: {$ref: "#/components/schemas/Problem"}
    Stage:
      type: object
      required: [id, component, parameters, inputs, reused]
      properties:
        id: {type: integer}
        component: {type: string}
        parameters: {type: object}
        inputs: {type: array, items: {type: integer}}
        node: {type: string}
        group: {type: integer}
        reused: {type: boolean}
    Socket:
      type: object
      required: [node, direction, role, stream_key, address, bytes, packets, bits_per_second, switches, age_seconds]
      properties:
        group: {type: integer}
        node: {type: string}
        direction: {type: string, enum: [in, out]}
        role: {type: string, enum: [primary, standby, sink]}
        stream_key: {type: string}
        address: {type: string}
        peer: {type: string}
        peer_address: {type: string}
        codec: {type: string}
        format: {type: string}
        bytes: {type: integer}
        packets: {type: integer}
        bits_per_second: {type: number}
        first_position: {type: integer}
        last_position: {type: integer}
        acknowledged: {type: integer}
        switches: {type: integer}
        age_seconds: {type: number}
    Timings:
      type: object
      properties:
        election_ms: {type: number}
        placement_ms: {type: number}
        reservation_ms: {type: number}
        first_media_ms: {type: number}
    Event:
      type: object
      required: [sequence, at_ms, kind, summary, details]
      properties:
        sequence: {type: integer}
        at_ms: {type: integer}
        service: {type: string}
        kind: {type: string}
        summary: {type: string}
        details: {type: object}
    Overlay:
      type: object
      required: [node, at_ms, members, services, workers, tolerance, warnings, frauds]
      properties:
        node: {type: string}
        at_ms: {type: integer}
        members: {type: array, items: {$ref: "#/components/schemas/Member"}}
        services: {type: array, items: {type: string}}
        workers: {type: integer}
        tolerance: {$ref: "#/components/schemas/Tolerance"}
        strategy: {type: string}
        safety: {type: string, enum: [quorum, majorityCrashOnly, unsafe]}
        warnings: {type: array, items: {type: string}}
        frauds: {type: array, items: {$ref: "#/components/schemas/Fraud"}}
    Fraud:
      type: object
      description: A proof that a member contradicted itself under its own signature; it elects nobody until then.
      required: [culprit, kind, request, summary, since_ms, until_ms]
      properties:
        culprit: {type: string}
        kind: {type: string, enum: [twoVotes, brokenPromise, twoVersions]}
        request: {type: string}
        summary: {type: string}
        since_ms: {type: integer}
        until_ms: {type: integer}
    Tolerance:
      type: object
      required: [k, f, quorum, crashes]
      properties:
        k: {type: integer}
        f: {type: integer}
        quorum: {type: integer}
        crashes: {type: integer}
    Member:
      type: object
      required: [node, address, state, is_self, age_seconds, components, streams]
      properties:
        node: {type: string}
        address: {type: string}
        state: {type: string, enum: [alive, suspect, dead, left]}
        is_self: {type: boolean}
        age_seconds: {type: number}
        portal: {type: string}
        round_trip_ms: {type: number}
        coordinate: {type: array, items: {type: number}}
        coordinate_height_ms: {type: number}
        coordinate_error: {type: number}
        components: {type: array, items: {type: string}}
        load: {$ref: "#/components/schemas/Load"}
        streams: {type: array, items: {$ref: "#/components/schemas/Stream"}}
    Load:
      type: object
      required: [age_seconds]
      properties:
        age_seconds: {type: number}
        own_cpu: {type: number}
        machine_cpu: {type: number}
        cpu_pressure: {type: number}
        memory: {type: number}
        deadline_misses: {type: number}
        slots_used: {type: integer}
        slots: {type: integer}
        cores: {type: number}
        decode_megapixels_per_second: {type: number}
        encode_megapixels_per_second: {type: number}
        filter_megapixels_per_second: {type: number}
        up_bits_per_second: {type: integer}
        down_bits_per_second: {type: integer}
        up_capacity_bits_per_second: {type: integer}
        down_capacity_bits_per_second: {type: integer}
    Stream:
      type: object
      required: [stream_key, bits_per_second, spare_fan_out]
      properties:
        stream_key: {type: string}
        bits_per_second: {type: integer}
        spare_fan_out: {type: integer}
    Election:
      type: object
      required: [request, strategy, safety, epoch, term, electorate, tolerance, votes, mandate_valid, evidence]
      properties:
        request: {type: string}
        strategy: {type: string, enum: [rendezvous, sortition, nearest, leastLoaded, bully, raft, firstResponder]}
        safety: {type: string, enum: [quorum, majorityCrashOnly, unsafe]}
        warning: {type: string, description: "Where no quorum proves who manages: what everybody must know who relies on it."}
        epoch: {type: integer}
        term: {type: string}
        manager: {type: string}
        electorate: {type: array, items: {type: string}}
        tolerance: {$ref: "#/components/schemas/Tolerance"}
        votes: {type: array, items: {$ref: "#/components/schemas/Vote"}}
        mandate_valid: {type: boolean}
        mandate_fault: {type: string}
        age_seconds: {type: number}
        evidence: {type: object}
    Vote:
      type: object
      required: [elector, candidate, term, signature]
      properties:
        elector: {type: string}
        candidate: {type: string}
        term: {type: string}
        signature: {type: string}
    Explanation:
      type: object
      required: [service, manager, inputs_digest, age_seconds, stages, totals]
      properties:
        service: {type: string}
        manager: {type: string}
        inputs_digest: {type: string}
        age_seconds: {type: number}
        stages: {type: array, items: {$ref: "#/components/schemas/StageDecision"}}
        totals: {type: object, additionalProperties: {type: number}}
        plans_considered: {type: integer}
    StageDecision:
      type: object
      required: [stage, component, candidates, winner, why]
      properties:
        stage: {type: integer}
        component: {type: string}
        candidates: {type: array, items: {$ref: "#/components/schemas/Candidate"}}
        winner: {type: string}
        why: {type: string}
    Candidate:
      type: object
      required: [node, costs, reuses]
      properties:
        node: {type: string}
        total: {type: number}
        costs: {type: object, additionalProperties: {type: number}}
        excluded: {type: string}
        reuses: {type: boolean}
    Plan:
      type: object
      required: [request, stages, stream_keys, outputs, warnings]
      properties:
        request: {type: string}
        stages: {type: array, items: {$ref: "#/components/schemas/Stage"}}
        stream_keys: {type: array, items: {type: string}}
        outputs: {type: array, items: {$ref: "#/components/schemas/Output"}}
        warnings: {type: array, items: {type: string}}
    Health:
      type: object
      required: [status, node, version, uptime_seconds, members_alive, warnings]
      properties:
        status: {type: string, enum: [starting, ok, degraded, stopping]}
        node: {type: string}
        version: {type: string}
        uptime_seconds: {type: number}
        members_alive: {type: integer}
        warnings: {type: array, items: {type: string}}

"""###

  static let overlay_js = ###"""
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

"""###

  static let page_css = ###"""
:root {
  --ground: #f5f7f7; --card: #ffffff; --ink: #12211f; --quiet: #566664; --line: #d9e1e0; --accent: #0f766e;
  --accent-ink: #ffffff; --good: #15803d; --warn: #b45309; --bad: #b91c1c; --warn-ground: #fff7e6; --bad-ground: #fdeeee;
  --track: #e4eae9; --shadow: 0 1px 2px rgb(16 32 30 / 8%), 0 4px 14px rgb(16 32 30 / 5%);
  --n0: #0f766e; --n1: #7c3aed; --n2: #c2410c; --n3: #1d4ed8; --n4: #be185d; --n5: #4d7c0f; --n6: #0e7490; --n7: #a16207;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0d1514; --card: #15201f; --ink: #e3edeb; --quiet: #94a8a5; --line: #273634; --accent: #2dd4bf;
    --accent-ink: #05201c; --good: #4ade80; --warn: #fbbf24; --bad: #f87171; --warn-ground: #2b2310; --bad-ground: #2e1717;
    --track: #263533; --shadow: none;
    --n0: #2dd4bf; --n1: #a78bfa; --n2: #fb923c; --n3: #60a5fa; --n4: #f472b6; --n5: #a3e635; --n6: #22d3ee; --n7: #facc15;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
code, pre, textarea { font-family: ui-monospace, "SF Mono", "Cascadia Code", "DejaVu Sans Mono", monospace; font-size: 0.9em; }
h1 { font-size: 1.25rem; line-height: 1.2; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 1rem; margin: 0 0 0.6rem; }
h3 { font-size: 0.95rem; margin: 0; font-weight: 600; }
p { margin: 0 0 0.6rem; }
a { color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
[hidden] { display: none !important; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 8px; top: 8px; background: var(--card); padding: 0.4rem 0.8rem; z-index: 2; }
.quiet { color: var(--quiet); font-size: 0.87rem; }
.error { background: var(--bad-ground); color: var(--bad); border-radius: 8px; padding: 0.6rem 0.8rem; margin: 0 0 0.6rem; }

header, #warnings, footer { max-width: 93.2rem; margin-inline: auto; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: 0.5rem 0.9rem; padding: 0.9rem 1.4rem; }
header p { margin: 0; color: var(--quiet); font-size: 0.85rem; }
#facts { display: flex; flex-wrap: wrap; gap: 0.4rem 1.4rem; list-style: none; margin: 0 0 0 auto; padding: 0; }
#facts li { font-size: 0.85rem; color: var(--quiet); }
#facts strong { color: var(--ink); font-size: 1.05rem; font-variant-numeric: tabular-nums; margin-right: 0.2rem; }
#connection { border: 1px solid var(--line); border-radius: 999px; padding: 0.15rem 0.7rem; background: var(--card); }
#connection::before { content: "●"; margin-right: 0.4rem; color: var(--warn); }
#connection.live::before { color: var(--good); }
#connection.lost::before { color: var(--bad); }
#warnings { list-style: none; width: calc(100% - 2.8rem); margin-block: 0 1rem; padding: 0.6rem 0.9rem; border-radius: 10px; background: var(--warn-ground); color: var(--warn); }
.notice { padding: 0 1.4rem; }

main { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 1rem; padding: 0 1.4rem 1rem; max-width: 96rem; margin: 0 auto; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 1rem 1.1rem; box-shadow: var(--shadow); min-width: 0; }
#services, #members-section, #events-section { grid-column: 1 / -1; }
@media (max-width: 60rem) { main { grid-template-columns: minmax(0, 1fr); padding: 0 0.8rem 1rem; } header { padding: 0.9rem 0.8rem; } }
footer { padding: 0.4rem 1.4rem 1.6rem; }

#watch { grid-column: 1 / -1; }
video { display: block; width: 100%; max-height: 56vh; background: #000; border-radius: 10px; margin-bottom: 0.6rem; }
#captions-text { max-height: 18rem; overflow: auto; background: var(--ground); border-radius: 10px; padding: 0.8rem; white-space: pre-wrap; }

.service { border-top: 1px solid var(--line); padding: 0.9rem 0 0.4rem; }
.service:first-child { border-top: 0; padding-top: 0; }
.service-head { display: flex; flex-wrap: wrap; align-items: center; gap: 0.4rem 0.7rem; margin-bottom: 0.4rem; }
.service-head .buttons { margin-left: auto; }
.state { border-radius: 999px; padding: 0.05rem 0.6rem; font-size: 0.8rem; font-weight: 600; border: 1px solid currentColor; color: var(--quiet); }
.state.running, .state.alive { color: var(--good); }
.state.frozen, .state.suspect, .state.electing, .state.planning, .state.reserving { color: var(--warn); }
.state.failed, .state.dead { color: var(--bad); }
.empty { color: var(--quiet); padding: 1.2rem; text-align: center; border: 1px dashed var(--line); border-radius: 10px; }
.scroll { overflow-x: auto; }

button { font: inherit; border: 1px solid var(--line); background: var(--card); color: var(--ink); border-radius: 8px; padding: 0.35rem 0.9rem; cursor: pointer; }
button:hover { border-color: var(--accent); }
button.primary { background: var(--accent); border-color: var(--accent); color: var(--accent-ink); font-weight: 600; }
button:disabled { opacity: 0.5; cursor: default; }
.buttons { display: flex; gap: 0.5rem; }
label { display: block; font-size: 0.87rem; font-weight: 600; margin-bottom: 0.3rem; }
textarea { width: 100%; resize: vertical; background: var(--ground); color: var(--ink); border: 1px solid var(--line); border-radius: 10px; padding: 0.7rem 0.8rem; line-height: 1.55; tab-size: 2; }
textarea[aria-invalid="true"] { border-color: var(--bad); }
#plan ol { margin: 0.8rem 0 0; padding-left: 1.4rem; }
#plan li { margin-bottom: 0.2rem; }

table { border-collapse: collapse; width: 100%; font-size: 0.88rem; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--quiet); font-size: 0.8rem; }
th, td { padding: 0.4rem 0.7rem 0.4rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
tbody tr:last-child > * { border-bottom: 0; }
tbody th { color: var(--ink); font-size: 0.88rem; }
tr.gone > * { opacity: 0.55; }
.dot { display: inline-block; width: 0.7em; height: 0.7em; border-radius: 50%; margin-right: 0.45em; background: currentColor; }
.meter { display: inline-block; vertical-align: middle; width: 4.2rem; height: 0.45rem; border-radius: 999px; background: var(--track); margin-right: 0.5rem; overflow: hidden; }
.meter > span { display: block; height: 100%; border-radius: inherit; background: var(--accent); }
.meter.high > span { background: var(--warn); }
.meter.full > span { background: var(--bad); }
.stale { color: var(--warn); }

.c0 { color: var(--n0); } .c1 { color: var(--n1); } .c2 { color: var(--n2); } .c3 { color: var(--n3); }
.c4 { color: var(--n4); } .c5 { color: var(--n5); } .c6 { color: var(--n6); } .c7 { color: var(--n7); }

svg text { fill: var(--ink); font-family: inherit; }
svg .faint { fill: var(--quiet); color: var(--quiet); }
svg .halo { paint-order: stroke; stroke: var(--card); stroke-width: 4px; stroke-linejoin: round; }
.ground { fill: var(--card); }
#map svg { width: 100%; height: auto; display: block; }
.grid { stroke: var(--line); stroke-width: 1; }
.scale { stroke: var(--quiet); stroke-width: 1.5; }
.ring { fill: none; stroke: var(--track); stroke-width: 5; }
.fill { fill: none; stroke: currentColor; stroke-width: 5; stroke-linecap: round; }
.core { fill: currentColor; fill-opacity: 0.16; }
.gone .core, .gone .fill { opacity: 0.3; }
.flow { fill: none; stroke: var(--quiet); stroke-opacity: 0.5; stroke-linecap: round; }
.chain svg { display: block; }
.box { fill: var(--card); stroke: currentColor; stroke-width: 1.5; }
.box.reused { stroke-dasharray: 5 4; }
.box-head { fill: currentColor; fill-opacity: 0.12; }
.link { fill: none; stroke: var(--quiet); stroke-width: 1.5; }
.moving { fill: none; stroke: var(--accent); stroke-width: 2; stroke-dasharray: 2 10; stroke-linecap: round; animation: flow 0.9s linear infinite; }
@keyframes flow { to { stroke-dashoffset: -12; } }
@media (prefers-reduced-motion: reduce) { .moving { animation: none; } }
#events { list-style: none; margin: 0; padding: 0; max-height: 15rem; overflow: auto; font-size: 0.87rem; }
#events li { display: grid; grid-template-columns: 6rem 13rem minmax(0, 1fr); gap: 0.7rem; padding: 0.2rem 0; border-bottom: 1px solid var(--line); }
#events time { color: var(--quiet); font-variant-numeric: tabular-nums; }
@media (max-width: 40rem) { #events li { grid-template-columns: 5rem minmax(0, 1fr); } #events li > :last-child { grid-column: 1 / -1; } }

"""###

  static let page_js = ###"""
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

"""###

  static let player_js = ###"""
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

"""###

  static let services_js = ###"""
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

"""###
}
