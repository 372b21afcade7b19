"""Five peers, one request, one node killed in the middle of the chain, and a second, equal request: run by Tools/demo."""
import argparse, json, math, os, pathlib, shutil, signal, subprocess, sys, time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from media import burned, cues, packet_times, probe, reference_frames, reference_sound, source_cues, tracks
from overlay import MILLRACE, ROOT, Overlay, Timeout, make_source, undisturbed, wait_for

# Who offers what: nobody can do all of it, so the cheapest plan crosses three nodes, and each kind of node has an understudy.
PREPARERS = ['video.fps', 'video.scale', 'audio.resample', 'text.shift']
FINISHERS = ['video.overlay', 'video.burn', 'video.vp8', 'video.h264', 'audio.opus', 'mux.webm', 'mux.mp4', 'mux.ogg', 'mux.webvtt']
PEERS = {'alpha': ['source.video', 'source.audio', 'source.text'], 'bravo': PREPARERS, 'charlie': PREPARERS, 'delta': FINISHERS, 'echo': FINISHERS}
RATE = 25
STEP = 1000 // RATE

REQUEST = """\
source: millrace://{node}/{file}
video:
  codec: vp8
  size: {width}x{height}
  fps: 25
  overlay:
    text: Millrace
{captions}delivery: webm
"""


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def request_text(node, file, kinds):
    """A request that gives every kind of node something to do, and the size of its picture: always smaller than the source's."""
    video = kinds['video']
    width = max(16, min(480, video['width'] * 3 // 4) // 2 * 2)
    height = max(16, round(video['height'] * width / video['width'] / 2) * 2)
    captions = '  captions: burn\ncaptions:\n  deliver: webvtt\n' if 'subtitle' in kinds else ''
    # YAML: what is said of the sound and the text stands beside the picture, not in it.
    sound = 'audio:\n  codec: opus\n' if 'audio' in kinds else ''
    return REQUEST.format(node=node, file=file, width=width, height=height, captions=captions + sound), (width, height)


class Demonstration:
    """One run: what is asked, what is killed, what arrives. Its clients and peers end with it, whatever happens."""

    def __init__(self, arguments):
        self.arguments, self.failures, self.clients = arguments, [], []
        self.report = {'passed': False, 'failures': self.failures}
        self.results = pathlib.Path(arguments.results).resolve()
        if (self.results / 'report.json').exists():  # an earlier run's
            shutil.rmtree(self.results)
        self.results.mkdir(parents=True, exist_ok=True)
        self.overlay = Overlay(keep=arguments.keep)

    def expect(self, condition, text):
        if not condition:
            self.failures.append(text)

    def close(self, keep):
        for client in self.clients:
            if client.poll() is None:
                client.kill()
            client.wait()
        self.overlay.keep = keep
        for peer in self.overlay.peers.values():
            if peer.process and peer.process.poll() not in (None, -signal.SIGKILL):
                self.failures.append(f'{peer.name} ended by itself, with {peer.process.returncode}')
        if self.failures:  # what peers said of it outlives them
            for peer in self.overlay.peers.values():
                if (peer.folder / 'log').exists():
                    shutil.copy(peer.folder / 'log', self.results / f'{peer.name}.log')
        if not keep:
            self.overlay.close()

    # From nothing to two clients.

    def run(self):
        self.take_source()
        self.start_peers()
        self.ask()
        self.ask_again()
        self.kill_one()
        self.await_clients()
        self.check_evidence()
        self.check_media()

    def take_source(self):
        share = self.overlay.folder / 'share'
        share.mkdir()
        if self.arguments.source:
            given = pathlib.Path(self.arguments.source).resolve()
            self.source = share / ('source' + given.suffix)
            try:
                os.link(given, self.source)
            except OSError:  # another file system
                shutil.copy(given, self.source)
        else:
            say('Making a source: 14 s of test pattern, tone and captions …')
            self.source = make_source(share / 'talk.mkv', seconds=14)
        self.kinds, self.duration = tracks(self.source)
        if 'video' not in self.kinds:
            raise SystemExit(f'{self.source.name} has no picture; the demo wants one')
        # A long source is shown in part: a stream comes at its own pace, and nobody waits for an hour.
        wanted = self.arguments.seconds
        self.part = wanted if wanted and (not self.duration or self.duration > wanted + 1) else None
        if self.part:
            say(f'The source is {self.duration:.0f} s long: {self.part:g} s of it are shown (--seconds 0 for all).')
        self.report['source_seconds'], self.report['part_seconds'] = round(self.duration, 3), self.part

    def start_peers(self):
        say('Starting five peers …')
        for number, (name, components) in enumerate(PEERS.items(), 1):
            more = {'share': str(self.overlay.folder / 'share')} if name == 'alpha' else {}
            self.overlay.add(name, f'127.0.0.{number}', components=components, slots=12, **more)
        self.overlay.start()
        self.portal = self.overlay['echo']
        self.report['peers'] = [{'name': p.name, 'node': p.id, 'portal': p.url, 'components': PEERS[p.name]} for p in self.overlay.peers.values()]
        text, self.size = request_text(self.overlay['alpha'].id, self.source.name, self.kinds)
        self.document = self.results / 'request.yaml'
        self.document.write_text(text)
        self.report['request'] = text
        self.paths = {'first': self.results / 'out.webm', 'second': self.results / 'second.webm'}

    def client(self, portal, path):
        part = ['--for', f'{self.part:g}s'] if self.part else []
        return self.begin([MILLRACE, 'request', self.document, '--peer', portal.url, '--record', path, *part, '--json'],
                          stdout=subprocess.PIPE, text=True)

    def begin(self, command, **options):
        with undisturbed():
            self.clients.append(subprocess.Popen(command, stderr=sys.stderr, start_new_session=True, **options))
        return self.clients[-1]

    def running(self, portal, other_than=()):
        """The first service of a portal that runs, every stage of it with a place."""
        for service in portal.get('/v1/services'):
            if service['id'] in other_than:
                continue
            view = portal.get(f"/v1/services/{service['id']}")
            if view['state'] == 'running' and view['stages'] and all(s.get('node') or s['reused'] for s in view['stages']):
                return view

    def ask(self):
        say('Asking', self.portal.name, 'for it …')
        self.client(self.portal, self.paths['first'])
        self.view = wait_for(lambda: self.running(self.portal), 30, 'the service runs')
        self.identifier = self.view['id']
        # While it runs: its assignments are part of the evidence.
        self.election = wait_for(lambda: (e := self.portal.get(f'/v1/elections/{self.identifier}'))['evidence']['assignments'] and e, 20, 'assignments are shown')
        wait_for(lambda: self.paths['first'].exists() and self.paths['first'].stat().st_size > 10_000, 30, 'media arrives')
        if 'subtitle' in self.kinds:
            self.captions = self.results / 'captions.vtt'
            url = f'{self.portal.url}/v1/services/{self.identifier}/media/captions'
            self.begin(['curl', '-sS', '-o', self.captions, url])

    def ask_again(self):
        say('Asking again, the same …')
        portal = self.overlay['delta']
        workers = lambda: sum(p.get('/v1/overlay')['workers'] for p in self.overlay.peers.values() if p.process.poll() is None)
        before = workers()
        self.twin = self.client(portal, self.paths['second'])
        view = wait_for(lambda: self.running(portal, other_than=[self.identifier]), 30, 'the second service runs')
        wait_for(lambda: self.paths['second'].exists() and self.paths['second'].stat().st_size > 10_000, 30, 'the second client gets media')
        reused = sum(1 for s in view['stages'] if s['reused'])
        self.report['second_request'] = {'reused_stages': reused, 'new_stages': len(view['stages']) - reused, 'workers_before': before,
                                         'workers_after': workers()}
        self.expect(reused == len(view['stages']), f"the second request was not grafted: {self.report['second_request']}")

    def kill_one(self):
        stage = next(s for s in self.view['stages'] if s['component'] in ('video.scale', 'video.fps'))
        victim = self.overlay.by_id(stage['node'])
        say(f"Killing {victim.name}, in the middle of the chain ({stage['component']}) …")
        self.report['killed'] = {'name': victim.name, 'node': victim.id, 'stage': stage['component']}
        victim.kill()
        victim.process.wait()
        self.sizes_then = {name: path.stat().st_size for name, path in self.paths.items()}

    def await_clients(self):
        limit = (self.part or self.duration) + 60
        clients = [c for c in self.clients if c.args[0] == MILLRACE]
        said = [client.communicate(timeout=limit)[0] for client in clients]
        codes = [client.returncode for client in clients]
        self.expect(codes == [0, 0], f'the clients ended with {codes}: {said}')
        answer = json.loads(said[0] or '{}')
        rounded = lambda key: answer.get(key) and round(answer[key], 1)
        self.report.update({key: rounded(key) for key in ('gap_ms', 'first_media_ms', 'election_ms', 'placement_ms')})
        for client in self.clients:
            client.wait(timeout=30)

    # What it came to.

    def check_evidence(self):
        election = self.election
        evidence, roster = self.results / 'evidence.json', self.results / 'roster.txt'
        evidence.write_text(json.dumps(election['evidence'], indent=1))
        roster.write_text(''.join(f'{p.id} # {p.name}\n' for p in self.overlay.peers.values()))
        verified = subprocess.run([MILLRACE, 'verify', evidence, '--roster', roster], capture_output=True, text=True)
        view = self.view
        self.report.update(
            manager=view['manager'], term=view['term'], electorate=election['electorate'], votes=len(election['votes']),
            mandate_valid=verified.returncode == 0, evidence=str(evidence), roster=str(roster), hops=view['hops'],
            graph=[{'stage': s['id']} | {k: s[k] for k in ('component', 'parameters')} for s in view['stages']],
            plan=[{'stage': s['id'], 'node': s['node'], 'reused': s['reused']} for s in view['stages']])
        self.expect('relative to roster' in verified.stdout, f'verified otherwise: {verified.stdout}')
        self.expect(verified.returncode == 0, f'the mandate does not verify: {verified.stderr}{verified.stdout}')
        nodes = {s['node'] for s in view['stages']}
        self.expect(len(nodes) >= 3, f'the chain crosses {len(nodes)} nodes where at least 3 were expected')

    def check_media(self):
        for name, path in self.paths.items():
            times = [round(time * 1000) for time in packet_times(path, 'v')]
            self.expect(path.stat().st_size > self.sizes_then[name], f'{name} client: nothing came after the death')
            expected = reference_frames(self.source, self.size, RATE, self.part and self.part + 10, self.kinds['video']['index'])
            doubled = len(times) - len(set(times))
            if self.part:
                # Ended by the client: every frame up to where it ended, which is about where it was to end.
                self.expect(times[0] < 2 * STEP if times else False, f'{name} client: the first frame is missing')
                # How far it came depends on how busy the machine is; past the death, certainly.
                self.expect(len(times) >= RATE * self.part / 4, f'{name} client: {len(times)} frames in {self.part} s')
                expected = min(expected, len(times))
            self.expect(len(times) == expected, f'{name} client: {len(times)} frames where {expected} were expected')
            self.expect(times == sorted(times), f'{name} client: frames out of order')
            self.expect(doubled == 0, f'{name} client: {doubled} frames twice')
            steps = {b - a for a, b in zip(times, times[1:])}
            self.expect(steps <= {STEP}, f'{name} client: steps between frames of {sorted(steps)} ms where all should be {STEP}')
            if name == 'first':
                self.report.update(frames_expected=expected, frames_received=len(times), frames_doubled=doubled)
        found = probe(self.paths['first'])
        streams = {s['codec_type']: s for s in found['streams']}
        video = streams.get('video', {})
        frames = int(video.get('nb_read_packets', 0))
        self.expect((video.get('width'), video.get('height')) == self.size, f"the picture is {video.get('width')}x{video.get('height')}, not {self.size}")
        self.report['output'] = {
            'path': str(self.paths['first']), 'container': found['format']['format_name'], 'seconds': round(frames / RATE, 3),
            'video': {'codec': video.get('codec_name'), 'width': video.get('width'), 'height': video.get('height'), 'frames': frames},
            'audio': self.check_sound(streams.get('audio'), frames / RATE), 'text': self.check_captions(frames / RATE)}

    def check_sound(self, stream, seconds):
        if stream is None:
            self.report['audio_seconds'] = 0
            self.expect('audio' not in self.kinds, 'no sound arrived')
            return None
        times = packet_times(self.paths['first'], 'a')
        self.report['audio_seconds'] = round(len(times) * 0.02, 2)
        length = seconds if self.part else reference_sound(self.source, self.kinds['audio']['index'])
        self.expect(times == sorted(set(times)), 'sound out of order, or twice')
        self.expect(abs(self.report['audio_seconds'] - length) < (2 if self.part else 0.2),
                    f"{self.report['audio_seconds']} s of sound where {length:.2f} s were expected")
        return {'codec': stream.get('codec_name'), 'rate': int(stream.get('sample_rate', 0)), 'channels': stream.get('channels'), 'packets': len(times)}

    def check_captions(self, seconds):
        if 'subtitle' not in self.kinds:
            self.report['captions'] = None
            return None
        # The last slots of a stream that its client ended may be under way still.
        until = seconds - 2 if self.part else math.inf
        meant = [said for start, _, said in source_cues(self.source, self.kinds['subtitle']['index']) if start < until]
        came = [said for start, _, said in cues(self.captions.read_text()) if start < until]
        self.expect(came == meant, f'{len(came)} captions came as WebVTT where {len(meant)} were expected')
        shown, between = burned(self.paths['first'], self.source, self.size, RATE, min(seconds, 60), self.kinds)
        unseen = [f'{moment:.1f} s' for moment, share in shown if share < 0.0004]
        stray = [f'{moment:.1f} s' for moment, share in between if share > 0.0002]
        self.expect(not unseen, f'no caption is in the picture at {unseen}')
        self.expect(not stray, f'something like a caption is in the picture at {stray}, between captions')
        self.report['captions'] = {'expected': len(meant), 'received': len(came), 'burned': len(shown) - len(unseen)}
        return {'format': 'webvtt', 'path': str(self.captions), 'cues': len(came), 'burned': len(shown) - len(unseen)}

    # What stays.

    def hand_over(self):
        """Starts a fresh service and says how to see it; the overlay runs on."""
        answer = self.portal.request('POST', '/v1/services', self.document.read_text())
        url = self.portal.url + next(o['url'] for o in answer['outputs'] if o['name'] == 'main')
        pids = [p.process.pid for p in self.overlay.peers.values() if p.process.poll() is None]
        self.report.update(play=url, page=f'{self.portal.url}/', pids=pids, data=str(self.overlay.folder))
        say(f'\nThe overlay is running. Page: {self.portal.url}/')
        say(f'To play, within a minute: {url}')
        say(f'To ask again and play: {MILLRACE} request {self.document} --peer {self.portal.url} --play')
        say(f'To end it: kill {" ".join(map(str, pids))}; its data is in {self.overlay.folder}')


def summary(report):
    names = {p['node']: p['name'] for p in report.get('peers', [])}
    if 'output' in report:
        chain = ' → '.join(dict.fromkeys(names.get(s['node'], '?') for s in report['plan']))
        say(f"\n  {chain}   manager {names[report['manager']]}, term {report['term']}, {report['votes']} votes")
        say(f"  killed {report['killed']['name']}; {report['frames_received']} of {report['frames_expected']} frames, {report['frames_doubled']} doubled; gap {report['gap_ms']} ms")
        say(f"  first media {report['first_media_ms']} ms, election {report['election_ms']} ms, placement {report['placement_ms']} ms; sound {report['audio_seconds']} s")
        say(f"  second request: {report['second_request']}")
    for failure in report['failures']:
        say('  FAILED:', failure)
    say(f"  {'passed' if report['passed'] else 'not passed'} in {report['seconds']} s; what arrived, the evidence and this report are in {report['results']}")


def main():
    parser = argparse.ArgumentParser(prog='Tools/demo', description=__doc__)
    parser.add_argument('--source', help='a media file of your own')
    parser.add_argument('--seconds', type=float, default=30, help='of a longer source, how much is shown; 0: all of it (default 30)')
    parser.add_argument('--results', default=ROOT / '.build' / 'demo', help='folder for recordings, evidence and report (default .build/demo)')
    parser.add_argument('--keep', action='store_true', help='leave the overlay running')
    parser.add_argument('--json', action='store_true', help='one JSON object on standard output')
    arguments = parser.parse_args()
    if arguments.source and not os.path.isfile(arguments.source):
        parser.error(f'{arguments.source}: no such file')
    # Whoever ends the demo ends its peers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    started, finished = time.monotonic(), False
    demonstration = Demonstration(arguments)
    report = demonstration.report
    try:
        try:
            demonstration.run()
        except (Timeout, AssertionError, OSError, subprocess.SubprocessError) as error:
            demonstration.failures.append(f'{type(error).__name__}: {error}')
        report.update(passed=not demonstration.failures, results=str(demonstration.results), seconds=round(time.monotonic() - started, 1))
        if arguments.keep and report['passed']:
            demonstration.hand_over()
        finished = True
    except KeyboardInterrupt:
        say('\nInterrupted: ending the peers.')
        sys.exit(130)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave peers behind
        demonstration.close(keep=arguments.keep and finished and report['passed'])
    report['passed'] = not demonstration.failures
    (demonstration.results / 'report.json').write_text(json.dumps(report, indent=1))
    summary(report)
    if arguments.json:
        print(json.dumps(report))
    sys.exit(0 if report['passed'] else 1)


if __name__ == '__main__':
    main()
