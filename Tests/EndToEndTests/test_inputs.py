"""The decision's inputs (R5–R10), each on hosts with real distance between them: a test that fails when that input is ignored."""
import json, socket, subprocess, sys, threading

import pytest
from distance import DistantOverlay, available, wait_for_map
from overlay import wait_for

pytestmark = pytest.mark.skipif(available() is not None, reason=f'hosts with distance: {available()}')

READ = ['source.video', 'source.audio', 'source.text']
WORK = ['video.fps', 'video.scale', 'video.overlay', 'video.burn', 'video.vp8', 'audio.resample', 'audio.opus', 'text.shift', 'mux.webm', 'mux.webvtt']
REQUEST = 'source: millrace://{node}/long.mkv\nvideo: {{codec: vp8, size: 320x180{more}}}\naudio: none\ncaptions: none\ndelivery: webm\n'


def start(portal, source, more=''):
    accepted = portal.request('POST', '/v1/services', REQUEST.format(node=source.id, more=more))
    return view(portal, accepted['id'])


def view(portal, identifier):
    def placed():
        found = portal.get(f'/v1/services/{identifier}')
        # Of a stage upstream of a graft only the request that started it knows the node.
        if found['state'] == 'running' and found['stages'] and all(s.get('node') or s['reused'] for s in found['stages']):
            return found
    return wait_for(placed, 30, 'the service runs')


def place(overlay, found, component):
    return overlay.by_id(next(s['node'] for s in found['stages'] if s['component'] == component)).name


def events(peer):
    """What a peer's trace tells of services and of what was refused."""
    told = [json.loads(line) for line in open(peer.config['trace'])]
    return [line for line in told if line['kind'] == 'event' and not line['event'].startswith('member.')][-40:]


def expect_at(overlay, portal, found, component, node):
    """The component stands at the node; if not, says why the manager saw it otherwise, and what it knew."""
    at = place(overlay, found, component)
    if at == node:
        return
    names = {peer.id: name for name, peer in overlay.peers.items()}
    lines = [f"{component} stands at {at}, not at {node}; the manager is {names.get(found['manager'])}"]
    try:
        for stage in portal.get(f"/v1/services/{found['id']}/explanation")['stages']:
            lines.append(f"{stage['component']} at {names.get(stage['winner'])}: {stage['why']}")
            lines += [f"    {names.get(c['node'])}: {c.get('total')} {c.get('excluded') or ''} {c['costs']}" for c in stage['candidates']]
        for member in overlay.by_id(found['manager']).get('/v1/overlay')['members']:
            lines.append(f"{names.get(member['node'])}: {member.get('coordinate')} + {member.get('coordinate_height_ms')} ± {member.get('coordinate_error')}, {member.get('load')}, {member.get('paths')}")
        lines += [f"{event['event']}: {event['summary']}" for event in events(overlay.by_id(found['manager']))]
    except Exception as error:
        lines.append(f'no explanation: {error}')
    pytest.fail('\n'.join(lines))


def wait_until_all_see(overlay, names, condition, what):
    """Until the condition on these members holds in every peer's view: any of them may be elected."""
    def everywhere():
        for viewer in overlay.peers.values():
            members = {m['node']: m for m in viewer.get('/v1/overlay')['members']}
            if not condition(*(members[overlay[name].id] for name in names)):
                return False
        return True
    wait_for(everywhere, 90, what, every=0.5)


def end(portal, found):
    portal.request('DELETE', f"/v1/services/{found['id']}")


def five(media, **options):
    """source at 0; west and east work; the clients' portals wester and easter only ask."""
    overlay = DistantOverlay(5, **options)
    overlay.add('source', 0, components=READ, share=str(media))
    overlay.add('west', 1, components=WORK)
    overlay.add('east', 2, components=WORK)
    overlay.add('wester', 3, components=[])
    overlay.add('easter', 4, components=[])
    for peer in overlay.peers.values():
        peer.config['trace'] = str(peer.folder / 'trace')
    return overlay


def test_r5_the_last_stage_lands_near_each_client(media):
    # The source is half-way between the two coasts, so far apart that a busy machine's round trips do not hide it.
    with five(media, delay=80, delays={(1, 3): 2, (2, 4): 2, **{(0, other): 40 for other in range(1, 5)}}) as overlay:
        overlay.start(deadline=90)
        wait_for_map(overlay)
        for client, near in (('wester', 'west'), ('easter', 'east')):
            found = start(overlay[client], overlay['source'])
            expect_at(overlay, overlay[client], found, 'mux.webm', near)
            end(overlay[client], found)
            # What still runs would be joined, wherever it is.
            wait_until_all_see(overlay, list(overlay.peers), lambda *members: not any(m['streams'] for m in members), 'nothing is served any more')


def test_r6_a_link_too_thin_is_not_chosen(media):
    # West is nearer, but the way from the source to it carries 200 kbit/s.
    with five(media, delay=20, delays={(1, 3): 2, (2, 3): 12, (1, 2): 12}, rates={(0, 1): '200kbit'}) as overlay:
        overlay.start(deadline=90)
        wait_for_map(overlay)

        def thin(source, west):
            return any(p['to'] == west['node'] and p['capacity_bits_per_second'] < 1_000_000 for p in source.get('paths', []))
        wait_until_all_see(overlay, ['source', 'west'], thin, 'the thin path is measured')
        found = start(overlay['wester'], overlay['source'])
        expect_at(overlay, overlay['wester'], found, 'video.vp8', 'east')


def test_r7_a_busy_link_is_avoided(media):
    # Equal paths of 20 Mbit/s; others fill the one from the source to west.
    with five(media, delay=5, delays={(1, 3): 2, (2, 3): 3}, rates={(0, 1): '20mbit', (0, 2): '20mbit'}) as overlay:
        overlay.start(deadline=90)
        wait_for_map(overlay)

        def measured(source, *workers):
            known = {p['to']: p['capacity_bits_per_second'] for p in source.get('paths', [])}
            return all(5_000_000 < known.get(worker['node'], 0) < 60_000_000 for worker in workers)
        wait_until_all_see(overlay, ['source', 'west', 'east'], measured, 'both paths are measured')
        filler = subprocess.Popen([*overlay['west'].prefix, sys.executable, '-c', SINK], stdout=subprocess.PIPE, text=True)
        filler.stdout.readline()
        sender = subprocess.Popen([*overlay['source'].prefix, sys.executable, '-c', FLOOD, '10.77.0.2'])
        try:
            def busy(source, west):
                return min(source['load']['up_bits_per_second'], west['load']['down_bits_per_second']) > 0.7 * 20_000_000
            wait_until_all_see(overlay, ['source', 'west'], busy, 'the path to west is seen to be busy')
            found = start(overlay['wester'], overlay['source'])
            expect_at(overlay, overlay['wester'], found, 'video.vp8', 'east')
        finally:
            for process in (sender, filler):
                process.kill()
                process.wait()


SINK = 'import socket\ns=socket.create_server(("0.0.0.0",9999))\nprint("up",flush=True)\nc,_=s.accept()\nwhile c.recv(65536): pass'
FLOOD = 'import socket,sys\nc=socket.create_connection((sys.argv[1],9999))\nwhile True: c.sendall(bytes(65536))'


def test_r8_a_busy_node_is_avoided(media):
    # West is nearer to all; it works for others already, up to its slots, while the machine's CPU has room.
    with five(media, delay=14, delays={(1, 3): 2, (2, 3): 25, (1, 2): 25, (0, 2): 25}) as overlay:
        overlay['west'].config['slots'] = 2
        overlay.start(deadline=90)
        wait_for_map(overlay)
        first = start(overlay['wester'], overlay['source'])
        expect_at(overlay, overlay['wester'], first, 'video.vp8', 'west')
        second = start(overlay['wester'], overlay['source'], more=', overlay: {text: other}')
        third = start(overlay['wester'], overlay['source'], more=', overlay: {text: yet another}')
        assert 'east' in {place(overlay, found, 'video.vp8') for found in (second, third)}


def test_r9_two_equal_requests_at_the_same_instant_encode_once(media):
    with five(media, delay=5) as overlay:
        overlay.start(deadline=90)
        found = {}

        def ask(name):
            found[name] = start(overlay[name], overlay['source'])
        threads = [threading.Thread(target=ask, args=(name,)) for name in ('wester', 'easter')]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert set(found) == {'wester', 'easter'}
        assert found['wester']['id'] != found['easter']['id']
        assert len({place(overlay, f, 'mux.webm') for f in found.values()}) == 1
        reused = [all(s['reused'] for s in f['stages']) for f in found.values()]
        assert sorted(reused) == [False, True], reused


def test_r10_a_later_request_on_the_same_source_joins_what_was_placed(media):
    # Same picture, another codec's bitrate: everything but the encoder and the muxer is there already; it lands with them.
    with five(media, delay=10, delays={(1, 3): 5, (2, 3): 5, (1, 4): 5, (2, 4): 5}) as overlay:
        overlay.start(deadline=90)
        first = start(overlay['wester'], overlay['source'])
        second = start(overlay['easter'], overlay['source'], more=', bitrate: 300k')
        reused = [s['component'] for s in second['stages'] if s['reused']]
        assert 'source.video' in reused, second['stages']
