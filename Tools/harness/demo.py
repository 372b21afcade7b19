"""Five peers, one request, one node killed in the middle of the chain, and a second, equal request: run by Tools/demo."""
import argparse, json, os, pathlib, shutil, subprocess, sys, time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from overlay import MILLRACE, Overlay, make_source, probe, wait_for

# Who offers what: nobody can do all of it, so the cheapest plan crosses three nodes, and each kind of node has an understudy.
PREPARERS = ['video.fps', 'video.scale', 'audio.resample', 'text.shift']
FINISHERS = ['video.overlay', 'video.burn', 'video.vp8', 'video.h264', 'audio.opus', 'mux.webm', 'mux.mp4', 'mux.ogg', 'mux.webvtt']
PEERS = {'alpha': ['source.video', 'source.audio', 'source.text'], 'bravo': PREPARERS, 'charlie': PREPARERS, 'delta': FINISHERS, 'echo': FINISHERS}

REQUEST = """\
source: millrace://{node}/{file}
video:
  codec: vp8
  size: {width}x{height}
  fps: 25
  overlay:
    text: Millrace
{captions}{audio}delivery: webm
"""


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def describe(source):
    """What the source has, as ffprobe says."""
    found = json.loads(subprocess.run(['ffprobe', '-v', 'error', '-show_streams', '-show_format', '-of', 'json', source],
                                      check=True, capture_output=True, text=True).stdout)
    kinds = {s['codec_type']: s for s in reversed(found['streams'])}
    return kinds, float(found['format'].get('duration', 0))


def request_text(node, file, kinds):
    video = kinds['video']
    width = min(480, video['width'])
    height = max(2, round(video['height'] * width / video['width'] / 2) * 2)
    return REQUEST.format(
        node=node, file=file, width=width // 2 * 2, height=height, captions='  captions: burn\n' if 'subtitle' in kinds else '',
        audio='audio:\n  codec: opus\n' if 'audio' in kinds else ''), (width // 2 * 2, height)


def reference(source, size, folder):
    """Frames that one ffmpeg process yields for the same graph."""
    out = folder / 'reference.mkv'
    subprocess.run(['ffmpeg', '-v', 'error', '-y', '-i', source, '-map', '0:v:0', '-vf', f'fps=25,scale={size[0]}:{size[1]}',
                    '-c:v', 'rawvideo', '-f', 'framehash', str(out)], check=True)
    return [int(line.split(',')[2]) for line in out.read_text().splitlines() if line and line[0] != '#']


def frame_times(path):
    """Presentation times in milliseconds of every video packet, in order of arrival."""
    done = subprocess.run(['ffprobe', '-v', 'error', '-select_streams', 'v:0', '-show_entries', 'packet=pts_time', '-of', 'csv=p=0', path],
                          check=True, capture_output=True, text=True)
    return [round(float(line.split(',')[0]) * 1000) for line in done.stdout.split() if line.split(',')[0]]


def run(arguments):
    failures, report = [], {}
    overlay = Overlay(keep=arguments.keep)
    try:
        return demonstrate(arguments, overlay, failures, report)
    finally:
        if not arguments.keep:
            overlay.close()


def demonstrate(arguments, overlay, failures, report):
    share = overlay.folder / 'share'
    share.mkdir()
    if arguments.source:
        source = share / pathlib.Path(arguments.source).name
        os.symlink(os.path.abspath(arguments.source), source) if arguments.keep else shutil.copy(arguments.source, source)
    else:
        say('Making a source: 14 s of test pattern, tone and captions …')
        source = make_source(share / 'talk.mkv', seconds=14)
    kinds, duration = describe(source)
    if 'video' not in kinds:
        sys.exit(f'{source.name} has no video; the demo wants some')

    say('Starting five peers …')
    for number, (name, components) in enumerate(PEERS.items(), 1):
        overlay.add(name, f'127.0.0.{number}', components=components, slots=12, **({'share': str(share)} if name == 'alpha' else {}))
    overlay.start()
    portal = overlay['echo']
    report['peers'] = [{'name': p.name, 'node': p.id, 'portal': p.url, 'components': PEERS[p.name]} for p in overlay.peers.values()]

    text, size = request_text(overlay['alpha'].id, source.name, kinds)
    document = overlay.folder / 'request.yaml'
    document.write_text(text)
    report['request'] = text
    recorded, second = overlay.folder / 'out.webm', overlay.folder / 'second.webm'

    say('Asking', portal.name, 'for it …')
    first = subprocess.Popen([MILLRACE, 'request', document, '--peer', portal.url, '--record', recorded, '--json'],
                             stdout=subprocess.PIPE, stderr=sys.stderr, text=True)
    service = wait_for(lambda: next(iter(portal.get('/v1/services')), None), 20, 'the service is listed')
    identifier = service['id']

    def chain():
        view = portal.get(f'/v1/services/{identifier}')
        return view if view['state'] == 'running' and view['stages'] and all(s.get('node') for s in view['stages']) else None
    view = wait_for(chain, 20, 'the service runs')
    wait_for(lambda: recorded.exists() and recorded.stat().st_size > 20_000, 20, 'media arrives')

    say('Asking again, the same …')
    workers = lambda: sum(p.get('/v1/overlay')['workers'] for p in overlay.peers.values() if p.process.poll() is None)
    before = workers()
    twin = subprocess.Popen([MILLRACE, 'request', document, '--peer', overlay['delta'].url, '--record', second, '--json'],
                            stdout=subprocess.PIPE, stderr=sys.stderr, text=True)
    twin_view = wait_for(lambda: next((v for s in overlay['delta'].get('/v1/services') if s['id'] != identifier
                                       for v in [overlay['delta'].get(f"/v1/services/{s['id']}")] if v['state'] == 'running' and v['stages']), None),
                         20, 'the second service runs')
    wait_for(lambda: second.exists() and second.stat().st_size > 20_000, 20, 'the second client gets media')
    reused = sum(1 for s in twin_view['stages'] if s['reused'])
    report['second_request'] = {'reused_stages': reused, 'new_stages': len(twin_view['stages']) - reused,
                                'workers_before': before, 'workers_after': workers()}
    if reused != len(twin_view['stages']):
        failures.append(f"the second request was not grafted: {report['second_request']}")

    scale = next(s for s in view['stages'] if s['component'] in ('video.scale', 'video.fps'))
    victim = overlay.by_id(scale['node'])
    say(f"Killing {victim.name}, in the middle of the chain ({scale['component']}) …")
    report['killed'] = {'name': victim.name, 'node': victim.id, 'stage': scale['component']}
    victim.kill()
    victim.process.wait()

    limit = duration + 60
    answers = [json.loads(process.communicate(timeout=limit)[0] or '{}') for process in (first, twin)]
    codes = [first.returncode, twin.returncode]
    if codes != [0, 0]:
        failures.append(f'the clients ended with {codes}: {answers}')
    final = portal.get(f'/v1/services/{identifier}')
    check(report, failures, overlay, source, size, recorded, second, view, final, answers, identifier, portal, kinds, duration)

    report['passed'] = not failures
    report['failures'] = failures
    if arguments.keep:
        say(f'\nThe overlay is running. Page: {portal.url}/   Data: {overlay.folder}')
        say(f'Play a stream: {MILLRACE} request {document} --peer {portal.url} --play')
        say('To end it: kill ' + ' '.join(str(p.process.pid) for p in overlay.peers.values() if p.process.poll() is None))
    return report


def check(report, failures, overlay, source, size, recorded, second, view, final, answers, identifier, portal, kinds, duration):
    def expect(condition, text):
        if not condition:
            failures.append(text)

    election = portal.get(f'/v1/elections/{identifier}')
    evidence = overlay.folder / 'evidence.json'
    evidence.write_text(json.dumps(election['evidence'] if 'evidence' in election else election))
    verified = subprocess.run([MILLRACE, 'verify', evidence], capture_output=True, text=True)
    report.update(manager=view['manager'], term=view['term'], electorate=election['electorate'], votes=len(election['votes']),
                  mandate_valid=verified.returncode == 0, evidence=str(evidence),
                  graph=[{k: s[k] for k in ('component', 'parameters')} | {'stage': s['id']} for s in view['stages']],
                  plan=[{'stage': s['id'], 'node': s['node'], 'reused': s['reused']} for s in view['stages']], hops=view['hops'])
    expect(verified.returncode == 0, f'the mandate does not verify: {verified.stderr}{verified.stdout}')
    nodes = {s['node'] for s in view['stages']}
    expect(len(nodes) >= 3, f'the chain crosses {len(nodes)} nodes where at least 3 were expected')

    expected = reference(source, size, overlay.folder)
    for name, path in (('first', recorded), ('second', second)):
        times = frame_times(path)
        doubled = len(times) - len(set(times))
        steps = {b - a for a, b in zip(times, times[1:])}
        expect(len(times) == len(expected), f'{name} client: {len(times)} frames where {len(expected)} were expected')
        expect(times == sorted(times), f'{name} client: frames out of order')
        expect(doubled == 0, f'{name} client: {doubled} frames twice')
        expect(steps <= {40}, f'{name} client: steps between frames of {sorted(steps)} ms where all should be 40')
        if name == 'first':
            report.update(frames_expected=len(expected), frames_received=len(times), frames_doubled=doubled)
    answer = answers[0]
    report.update(gap_ms=answer.get('gap_ms'), first_media_ms=answer.get('first_media_ms'), election_ms=answer.get('election_ms'),
                  placement_ms=answer.get('placement_ms'))
    found = probe(recorded)
    streams = {s['codec_type']: s for s in found['streams']}
    video, audio = streams.get('video', {}), streams.get('audio', {})
    seconds = float(found['format'].get('duration', 0))
    if audio:
        packets = subprocess.run(['ffprobe', '-v', 'error', '-select_streams', 'a:0', '-show_entries', 'packet=pts_time', '-of', 'csv=p=0',
                                  recorded], check=True, capture_output=True, text=True).stdout.split()
        report['audio_seconds'] = round(len(packets) * 0.02, 2)
        length = float(kinds['audio'].get('duration', 0)) or duration
        expect(abs(report['audio_seconds'] - length) < 0.2, f"{report['audio_seconds']} s of sound where {length} s were expected")
    else:
        report['audio_seconds'] = 0
        expect('audio' not in kinds, 'no sound arrived')
    report['captions'] = 'burned in' if 'subtitle' in kinds else 'none in the source'
    report['output'] = {'path': str(recorded), 'container': found['format']['format_name'], 'seconds': seconds,
                        'video': {'codec': video.get('codec_name'), 'width': video.get('width'), 'height': video.get('height'),
                                  'frames': int(video.get('nb_read_packets', 0))},
                        'audio': {'codec': audio.get('codec_name'), 'rate': int(audio.get('sample_rate', 0)), 'channels': audio.get('channels')},
                        'text': {'burned': 'subtitle' in kinds}}
    expect((video.get('width'), video.get('height')) == size, f"the picture is {video.get('width')}x{video.get('height')}, not {size[0]}x{size[1]}")


def summary(report):
    names = {p['node']: p['name'] for p in report['peers']}
    say('\n  ' + ' → '.join(dict.fromkeys(f"{names[s['node']]}" for s in report['plan'])) + f"   manager {names[report['manager']]}, term {report['term']}, {report['votes']} votes")
    say(f"  killed {report['killed']['name']}; {report['frames_received']} of {report['frames_expected']} frames, {report['frames_doubled']} doubled; gap {report['gap_ms']} ms")
    say(f"  first media {report['first_media_ms']} ms, election {report['election_ms']} ms, placement {report['placement_ms']} ms; sound {report['audio_seconds']} s")
    say(f"  second request: {report['second_request']}")
    for failure in report['failures']:
        say('  FAILED:', failure)
    say('  passed' if report['passed'] else '  not passed')


def main():
    parser = argparse.ArgumentParser(prog='Tools/demo', description=__doc__)
    parser.add_argument('--source', help='a media file of your own')
    parser.add_argument('--keep', action='store_true', help='leave the overlay running')
    parser.add_argument('--json', action='store_true', help='one JSON object on standard output')
    arguments = parser.parse_args()
    if arguments.source and not os.path.isfile(arguments.source):
        parser.error(f'{arguments.source}: no such file')
    started = time.monotonic()
    report = run(arguments)
    report['seconds'] = round(time.monotonic() - started, 1)
    summary(report)
    if arguments.json:
        print(json.dumps(report))
    sys.exit(0 if report['passed'] else 1)


main()
