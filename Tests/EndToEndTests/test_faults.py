"""What dies, and what the stream notices: nothing."""
import json, os, signal, subprocess

import pytest
from conftest import SPLIT
from media import packet_times as packets
from overlay import MILLRACE, ROOT, wait_for

REQUEST = """\
source: millrace://{node}/{file}
video: {{codec: vp8, size: 320x180, fps: 25}}
audio: {{codec: opus}}
captions: none
delivery: webm
"""


def start_split(overlay, media, **more):
    for number, (name, components) in enumerate({**SPLIT, **more}.items(), 1):
        overlay.add(name, f'127.0.0.{number}', components=components, slots=12, **({'share': str(media)} if name == 'alpha' else {}))
    overlay.start()


def works_nowhere(overlay):
    """No peer that lives has a group of any service."""
    return all('millrace_groups 0' in peer.get('/metrics').splitlines() for peer in overlay.peers.values() if peer.process.poll() is None)


def begin(overlay, tmp_path, file='talk.mkv', managers=None, portal='echo', source='alpha', request=REQUEST):
    """A live service over three nodes, some of it already recorded: (view, process, recording). Asked again until one of `managers` is elected:
    who that is follows from the request's ID, which is another each time."""
    document, recorded, portal = tmp_path / 'request.yaml', tmp_path / 'out.webm', overlay[portal]
    document.write_text(request.format(node=overlay[source].id, file=file))
    for _ in range(40):
        known = {service['id'] for service in portal.get('/v1/services')}
        process = subprocess.Popen([MILLRACE, 'request', document, '--peer', portal.url, '--record', recorded, '--json'], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)

        def chain():
            assert process.poll() is None, process.stderr.read()
            for service in portal.get('/v1/services'):
                if service['id'] not in known:
                    view = portal.get(f"/v1/services/{service['id']}")
                    if view['state'] == 'running' and view['stages'] and view['sockets']:
                        return view
        try:
            view = wait_for(chain, 30, 'the service runs')
            if managers is None or overlay.by_id(view['manager']).name in managers:
                wait_for(lambda: recorded.exists() and recorded.stat().st_size > 20_000, 30, 'media arrives')
                return view, process, recorded
        except BaseException:
            print('the portal says:', json.dumps(portal.get('/v1/services'))[:4000])
            process.kill()
            process.wait()
            raise
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        # The next would be grafted onto what still runs, and be as far on: after a few it would be over before anybody looked.
        wait_for(lambda: works_nowhere(overlay), 30, 'the chain that was asked for is gone')
    raise AssertionError(f'none of {managers} was elected in 40 requests')


@pytest.fixture
def running(overlay, media, tmp_path):
    """A live service over three nodes: (overlay, view, process, recording)."""
    start_split(overlay, media)
    view, process, recorded = begin(overlay, tmp_path)
    yield overlay, view, process, recorded
    if process.poll() is None:
        process.kill()
        process.wait()


def finish(process, recorded, frames=300, seconds=12):
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    if frames:
        times = packets(recorded, 'v')
        assert len(times) == frames, f'{len(times)} frames'
        assert {round((b - a) * 1000) for a, b in zip(times, times[1:])} == {40}
    sound = packets(recorded, 'a')
    assert abs(len(sound) * 0.02 - seconds) < 0.1 and sound == sorted(set(sound))
    return json.loads(out)


def node_of(overlay, view, component):
    return overlay.by_id(next(s['node'] for s in view['stages'] if s['component'] == component))


def test_a_middle_node_killed(running):
    overlay, view, process, recorded = running
    victim = node_of(overlay, view, 'video.scale')
    victim.kill()
    said = finish(process, recorded)
    assert said['gap_ms'] < 3000


@pytest.mark.parametrize('component', ['source.video', 'video.scale', 'mux.webm'])
def test_a_worker_killed(running, component):
    overlay, view, process, recorded = running
    for pid in node_of(overlay, view, component).workers():
        os.kill(pid, signal.SIGKILL)
    finish(process, recorded)


def test_a_middle_node_paused_is_passed_by_and_comes_back(running):
    overlay, view, process, recorded = running
    paused = node_of(overlay, view, 'video.scale')
    paused.kill(signal.SIGSTOP)
    try:
        before = recorded.stat().st_size
        wait_for(lambda: recorded.stat().st_size > before + 20_000, 20, 'the stream goes on without it')
        state = lambda: next(m['state'] for m in overlay['echo'].get('/v1/overlay')['members'] if m['node'] == paused.id)
        wait_for(lambda: state() in ('suspect', 'dead'), 20, 'it is missed')
    finally:
        paused.kill(signal.SIGCONT)
    wait_for(lambda: state() == 'alive', 30, 'it is back')
    finish(process, recorded)


def test_the_edge_killed(overlay, media, tmp_path):
    # A sixth peer that offers nothing is the portal: the death of an edge that is the portal itself ends the response, and rightly.
    start_split(overlay, media, foxtrot=[])
    view, process, recorded = begin(overlay, tmp_path, portal='foxtrot')
    try:
        node_of(overlay, view, 'mux.webm').kill()
        finish(process, recorded)
    finally:
        process.kill()


def test_the_reader_restarts(running):
    overlay, view, process, recorded = running
    reader = node_of(overlay, view, 'source.video')
    reader.kill()
    reader.process.wait()
    reader.start().ready()
    finish(process, recorded)


def test_the_manager_killed_and_later_a_middle_node_too(overlay, media, tmp_path):
    # A sixth peer that only elects and manages: four of six are a quorum, so that two may die, one after the other.
    start_split(overlay, media, foxtrot=[])
    view, process, recorded = begin(overlay, tmp_path, file='long.mkv', managers=('delta', 'foxtrot'))
    portal = overlay['echo']
    ask = lambda: portal.get(f"/v1/services/{view['id']}")
    try:
        overlay.by_id(view['manager']).kill()
        successor = wait_for(lambda: (v := ask()).get('manager') not in (None, view['manager']) and v['state'] == 'running' and v, 40, 'a successor manages')
        assert int(successor['term']) > int(view['term'])
        before = recorded.stat().st_size
        wait_for(lambda: recorded.stat().st_size > before + 20_000, 30, 'the stream goes on')
        middle = node_of(overlay, wait_for(lambda: (v := ask())['state'] == 'running' and all(s.get('node') for s in v['stages']) and v, 30, 'it is whole'), 'video.scale')
        assert middle.process.poll() is None
        middle.kill()
        before = recorded.stat().st_size
        wait_for(lambda: recorded.stat().st_size > before + 40_000, 30, 'and on')
    finally:
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    times = packets(recorded, 'v')
    assert times[0] < 0.06 and {round((b - a) * 1000) for a, b in zip(times, times[1:])} == {40}
    sound = packets(recorded, 'a')
    assert sound == sorted(set(sound)) and {round((b - a) * 1000) for a, b in zip(sound, sound[1:])} <= {20, 21, 19}


def test_a_paused_peer_comes_back(overlay):
    for number, name in enumerate(('alpha', 'bravo', 'charlie'), 1):
        overlay.add(name, f'127.0.0.{number}')
    overlay.start()
    paused = overlay['charlie']
    paused.kill(signal.SIGSTOP)
    others = [overlay['alpha'], overlay['bravo']]

    def state(peer):
        return next(m['state'] for m in peer.get('/v1/overlay')['members'] if m['node'] == paused.id)
    for peer in others:
        wait_for(lambda: state(peer) in ('suspect', 'dead'), 20, f'{peer.name} suspects the paused peer')
    paused.kill(signal.SIGCONT)
    for peer in others:
        wait_for(lambda: state(peer) == 'alive', 30, f'{peer.name} sees the paused peer alive again')


def test_losing_the_bootstrap_peer_changes_nothing(overlay, media, tmp_path):
    # All but the seed know it from a file as Bootstrap/overlay.yaml is one, and from nowhere else.
    seeds = tmp_path / 'overlay.yaml'
    for number, name in enumerate(('seed', 'alpha', 'bravo', 'charlie'), 1):
        overlay.add(name, f'127.0.0.{number}', **({'share': str(media)} if name == 'alpha' else {}), **({} if name == 'seed' else {'bootstrap': str(seeds)}))
    seeds.write_text((ROOT / 'Bootstrap' / 'overlay.yaml').read_text().replace('overlay: millrace', 'overlay: test').replace('[]', f"['{overlay['seed'].address}']"))
    for peer in overlay.peers.values():
        peer.start().ready()
    overlay.wait_complete()
    overlay['seed'].kill()
    overlay['seed'].process.wait()
    for name in ('alpha', 'bravo', 'charlie'):
        peer = overlay[name]
        wait_for(lambda: len(peer.alive_members()) == 3, 30, f'{name} sees the seed dead')
    document, recorded = tmp_path / 'r.yaml', tmp_path / 'out.ogg'
    document.write_text(f"source: millrace://{overlay['alpha'].id}/talk.mkv\nvideo: none\naudio: {{codec: opus}}\npacing: max\ndelivery: ogg\n")
    subprocess.run([MILLRACE, 'request', document, '--peer', overlay['bravo'].url, '--record', recorded], check=True, timeout=60)
    assert recorded.stat().st_size > 20_000


def test_a_client_who_comes_when_the_stream_has_moved_on_gets_all_of_it(running, tmp_path):
    """The reader's node can hold one stream of a key; its window has let go of the beginning: the latecomer gets a showing of its own."""
    overlay, view, process, recorded = running
    portal = overlay['echo']

    def moved_on():
        sockets = portal.get(f"/v1/services/{view['id']}")['sockets']
        return max((s['bytes'] for s in sockets if s['direction'] == 'out' and 'h264' in s['format']), default=0) > 5_500_000
    wait_for(moved_on, 30, 'the window has let go of the beginning')
    document, late = tmp_path / 'late.yaml', tmp_path / 'late.webm'
    document.write_text(REQUEST.format(node=overlay['alpha'].id, file='talk.mkv').replace('fps: 25', 'fps: 25, overlay: {text: late}'))
    second = subprocess.Popen([MILLRACE, 'request', document, '--peer', overlay['delta'].url, '--record', late, '--json'], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
    finish(second, late)
    finish(process, recorded)


@pytest.fixture
def read_by_curl(overlay, media, tmp_path):
    """A service, and a client that knows HTTP and nothing of this overlay: (overlay, service, curl)."""
    start_split(overlay, media)
    portal, taken = overlay['echo'], tmp_path / 'taken.webm'
    accepted = portal.request('POST', '/v1/services', REQUEST.format(node=overlay['alpha'].id, file='talk.mkv'))
    curl = subprocess.Popen(['curl', '-sS', '-o', taken, f"{portal.url}{accepted['outputs'][0]['url']}"], stderr=subprocess.PIPE, text=True)
    wait_for(lambda: taken.exists() and taken.stat().st_size > 20_000, 30, 'media arrives')
    yield overlay, accepted['id'], curl
    curl.kill()
    curl.wait()


def test_a_body_is_cut_when_its_service_fails(read_by_curl):
    overlay, service, curl = read_by_curl
    overlay['alpha'].kill()  # nobody else has the source
    _, err = curl.communicate(timeout=120)
    view = overlay['echo'].get(f'/v1/services/{service}')
    assert view['state'] == 'failed' and view['failure'], view
    assert curl.returncode == 18, f'curl took it for whole ({curl.returncode}): {err}'  # a transfer that was cut


def test_a_recording_is_not_called_finished_when_its_service_fails(running):
    overlay, view, process, recorded = running
    overlay['alpha'].kill()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1 and 'which alone has the source, is gone' in err, (process.returncode, out, err)
    assert 0 < len(packets(recorded, 'v')) < 300, 'what came before is kept'


def test_a_body_is_closed_when_its_service_is_ended(read_by_curl):
    overlay, service, curl = read_by_curl
    overlay['echo'].request('DELETE', f'/v1/services/{service}')
    _, err = curl.communicate(timeout=60)
    assert curl.returncode == 0, err
