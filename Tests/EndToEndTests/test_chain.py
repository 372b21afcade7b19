"""One chain over three nodes, as its clients, its operators and their players see it: sockets, events, ends, deliveries."""
import json, os, shutil, signal, subprocess, time, urllib.request

import pytest
from conftest import SPLIT
from media import cues, packet_times, probe, source_cues
from overlay import MILLRACE, Answer, Overlay, wait_for

WISH = 'source: millrace://{node}/{file}\nvideo: {{codec: vp8, size: 320x180, fps: 25{more}}}\naudio: {{codec: opus}}\ncaptions: none\ndelivery: webm\n'
# Players without a screen or a sound card.
HEADLESS = os.environ | {'SDL_VIDEODRIVER': 'dummy', 'SDL_AUDIODRIVER': 'dummy'}


@pytest.fixture(scope='module')
def split(media):
    """Five peers that offer different things, so that a chain crosses three nodes. Tests leave them as they were."""
    with Overlay() as made:
        for number, (name, components) in enumerate(SPLIT.items(), 1):
            made.add(name, f'127.0.0.{number}', components=components, slots=12, **({'share': str(media)} if name == 'alpha' else {}))
        yield made.start()


def wish(overlay, file='long.mkv', more=''):
    return WISH.format(node=overlay['alpha'].id, file=file, more=more)


def groups_open(overlay):
    """Groups that are open anywhere, armed ones included."""
    return sum(float(line.split()[1]) for peer in overlay.peers.values() for line in peer.get('/metrics').splitlines() if line.startswith('millrace_groups '))


def assert_freed(overlay, identifier):
    wait_for(lambda: overlay['echo'].get(f'/v1/services/{identifier}')['state'] == 'ended', 20, 'the service has ended')
    wait_for(lambda: groups_open(overlay) == 0, 30, 'every group is closed, armed ones too')
    busy = lambda: [line for peer in overlay.peers.values() for line in peer.get('/metrics').splitlines() if line.startswith('millrace_workers ') and not line.endswith(' 0')]
    wait_for(lambda: not busy(), 20, 'no worker has a job')


@pytest.fixture
def service(split):
    """A service whose client reads, ended afterwards."""
    portal = split['echo']
    accepted = portal.request('POST', '/v1/services', wish(split))
    reader = subprocess.Popen(['curl', '-sS', '-o', os.devnull, f"{portal.url}{accepted['outputs'][0]['url']}"])
    yield accepted['id']
    reader.kill()
    reader.wait()
    portal.request('DELETE', f"/v1/services/{accepted['id']}")
    assert_freed(split, accepted['id'])


def test_every_group_of_a_three_hop_chain_shows_its_sockets_in_both_directions(split, service):
    portal, delivered = split['echo'], set()

    def complete():
        view = portal.get(f'/v1/services/{service}')
        delivered.update(s['bytes'] for s in view['sockets'] if s['role'] == 'sink')
        # On a busy machine a standby may have taken over: whatever carries media counts, armed sockets do not.
        moved = [s for s in view['sockets'] if s['bytes'] > 0]
        groups = {s['group'] for s in view['stages']}
        readers = {s['group'] for s in view['stages'] if not s['inputs']}
        sends = {s['group'] for s in moved if s['direction'] == 'out'}
        takes = {s['group'] for s in moved if s['direction'] == 'in' and s['role'] != 'sink'}
        sinks = [s for s in moved if s['role'] == 'sink']
        return (view, moved) if sends == groups and takes == groups - readers and len(sinks) == 1 else None
    try:
        view, sockets = wait_for(complete, 60, 'every group shows what it takes and what it gives')
    except AssertionError as late:
        raise AssertionError(f"{late}; {json.dumps(portal.get(f'/v1/services/{service}'))}") from None
    assert len({s['node'] for s in view['stages']}) >= 3 and view['hops'] == 3
    assert any(s['role'] == 'standby' and s['bytes'] == 0 for s in view['sockets']), 'what stands ready is shown as such'
    listens = {peer.id: peer.listen for peer in split.peers.values()}
    for socket in sockets:
        assert socket['direction'] in ('in', 'out')
        assert socket['address'] == listens[socket['node']], socket
        assert socket['peer_address'] == listens[socket['peer']], socket
        assert socket['format'] and socket['packets'] > 0 and socket['bytes'] > socket['packets'], socket
    # What one end takes, the other gives: each link is told by both, with one stream and one format.
    gives = {(s['stream_key'], s['node'], s['peer']) for s in view['sockets'] if s['direction'] == 'out'}
    for socket in (s for s in sockets if s['direction'] == 'in'):
        assert (socket['stream_key'], socket['peer'], socket['node']) in gives, socket
    for key in {s['stream_key'] for s in sockets}:
        assert len({s['format'] for s in sockets if s['stream_key'] == key}) == 1
    # Packets travel, not frames: pictures and sound are compressed between nodes, and the client gets what it asked for.
    assert {s['codec'] for s in sockets} == {'h264', 'flac', 'webm'}
    wait_for(lambda: complete() and len(delivered - {0}) > 1, 20, 'the counters grow')
    running = lambda: all(s['bits_per_second'] > 0 for s in portal.get(f'/v1/services/{service}')['sockets'] if s['bytes'] > 0)
    wait_for(running, 20, 'each socket that carries media says how fast')
    view = portal.get(f'/v1/services/{service}')
    assert all(0 <= s['age_seconds'] < 10 for s in view['sockets']) and any(s['age_seconds'] > 0 for s in view['sockets'])


def events(url, last=None, until=None, deadline=20):
    """Server-sent events of a URL: (id, event) each, up to the first of kind `until` or the stream's end."""
    request = urllib.request.Request(url, headers={'Accept': 'text/event-stream', **({'Last-Event-ID': str(last)} if last is not None else {})})
    found, number, end = [], None, time.monotonic() + deadline
    with urllib.request.urlopen(request, timeout=deadline) as stream:
        assert stream.headers['Content-Type'] == 'text/event-stream'
        for line in stream:
            line = line.decode().rstrip('\n')
            if line.startswith('id: '):
                number = int(line[4:])
            elif line.startswith('data: '):
                found.append((number, json.loads(line[6:])))
                if found[-1][1]['kind'] == until:
                    return found
            assert time.monotonic() < end, found
    return found


def test_events_tell_a_services_whole_life_and_go_on_where_a_listener_left(split):
    portal = split['echo']
    identifier = portal.request('POST', '/v1/services', wish(split))['id']
    url = f'{portal.url}/v1/services/{identifier}/events'
    told = events(url, until='media.first')
    kinds = [event['kind'] for _, event in told]
    order = [kinds.index(kind) for kind in ('request.called', 'election.mandate', 'media.first')]
    assert order == sorted(order)
    numbers = [number for number, _ in told]
    assert numbers == sorted(set(numbers)) and all(event['service'] == identifier and event['sequence'] == number for number, event in told)
    portal.request('DELETE', f'/v1/services/{identifier}')
    again = events(url, last=numbers[0])
    assert again[0][0] == numbers[1], 'what was seen is not told again'
    all_told = events(f'{portal.url}/v1/events', last=numbers[0] - 1, until='media.first')
    assert identifier in {event.get('service') for _, event in all_told}
    assert_freed(split, identifier)


def test_what_has_just_ended_leaves_room_for_the_next_at_once(split):
    """Gossip still tells of the ended streams and of the load they made."""
    portal = split['echo']
    for _ in range(4):
        accepted = portal.request('POST', '/v1/services', wish(split))
        with urllib.request.urlopen(f"{portal.url}{accepted['outputs'][0]['url']}", timeout=20) as stream:
            assert len(stream.read(200_000)) == 200_000
        portal.request('DELETE', f"/v1/services/{accepted['id']}")
        assert_freed(split, accepted['id'])


def test_a_delete_through_another_portal_is_refused_by_name_and_through_its_own_frees_everything(split, service):
    with pytest.raises(Answer) as caught:
        split['bravo'].request('DELETE', f'/v1/services/{service}')
    assert caught.value.status == 403 and caught.value.problem['peer'] == split['echo'].id
    assert split['echo'].get(f'/v1/services/{service}')['state'] == 'running'
    split['echo'].request('DELETE', f'/v1/services/{service}')
    assert_freed(split, service)
    again = split['echo'].request('DELETE', f'/v1/services/{service}')
    assert again['state'] == 'ended'
    with pytest.raises(Answer) as caught:
        split['echo'].get('/v1/services/' + 'a' * 52)
    assert caught.value.status == 404


def ask(split, tmp_path, *words, file='long.mkv', more='', env=None):
    document = tmp_path / 'request.yaml'
    document.write_text(wish(split, file, more))
    return subprocess.Popen([MILLRACE, 'request', document, '--peer', split['echo'].url, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=env, start_new_session=True)


def test_ctrl_c_in_the_command_ends_the_service(split, tmp_path):
    recorded = tmp_path / 'out.webm'
    process = ask(split, tmp_path, '--record', recorded, '--json')
    wait_for(lambda: recorded.exists() and recorded.stat().st_size > 10_000, 30, 'media arrives')
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    said = json.loads(out)
    assert said['ending'] == 'interrupted' and said['chunks'] > 0
    assert_freed(split, said['service'])


def test_ctrl_c_while_it_only_watches_ends_the_service_too(split, tmp_path):
    process = ask(split, tmp_path, '--json', more=', overlay: {text: watched}')
    accepted = json.loads(process.stdout.readline())
    wait_for(lambda: split['echo'].get(f"/v1/services/{accepted['id']}")['state'] == 'running', 20, 'it runs')
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert all(json.loads(line)['kind'] for line in out.splitlines())
    assert_freed(split, accepted['id'])


def test_for_ends_it_in_time_and_what_was_recorded_is_whole(split, tmp_path):
    recorded = tmp_path / 'out.webm'
    process = ask(split, tmp_path, '--record', recorded, '--for', '3s', '--json', more=', overlay: {text: in part}')
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    said = json.loads(out)
    assert said['ending'] == 'time-up'
    times = packet_times(recorded, 'v')
    assert 0 < len(times) < 40 * 25 and {round((b - a) * 1000) for a, b in zip(times, times[1:])} <= {40}
    assert_freed(split, said['service'])


def test_play_shows_it_in_ffplay_and_ends_with_the_stream(split, tmp_path):
    process = ask(split, tmp_path, '--play', '--json', file='short.mkv', env=HEADLESS)
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0 and not err, err
    assert json.loads(out)['ending'] == 'finished'


def test_closing_the_player_ends_the_service(split, tmp_path):
    process = ask(split, tmp_path, '--play', '--json', more=', overlay: {text: closed}', env=HEADLESS)
    player = wait_for(lambda: subprocess.run(['pgrep', '-P', str(process.pid), 'ffplay'], capture_output=True, text=True).stdout.split(), 30, 'ffplay runs')
    wait_for(lambda: split['echo'].get('/v1/services')[-1]['state'] == 'running', 30, 'it runs')
    os.kill(int(player[0]), signal.SIGKILL)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    said = json.loads(out)
    assert said['ending'] == 'player-closed'
    assert_freed(split, said['service'])


DELIVERIES = {
    'webm': ('video: {codec: vp8, height: 180}', {'video': 'vp8', 'audio': 'opus'}, 'matroskademux name=d d.video_0 ! queue ! vp8dec ! fakesink d.audio_0 ! queue ! opusdec ! fakesink'),
    'mp4': ('video: {codec: h264, height: 180}', {'video': 'h264', 'audio': 'opus'}, 'qtdemux name=d d.video_0 ! queue ! avdec_h264 ! fakesink d.audio_0 ! queue ! opusdec ! fakesink'),
    'ogg': ('video: none', {'audio': 'opus'}, 'oggdemux ! opusdec ! fakesink'),
    'webvtt': ('video: none\naudio: none', {'subtitle': 'webvtt'}, 'subparse ! fakesink'),
}


@pytest.mark.parametrize('delivery', DELIVERIES)
def test_each_delivery_plays_in_ffplay_and_in_gstreamer(five, media, tmp_path, delivery):
    """From the portal's URL, as a person would give it to a player: FFmpeg's, and one that shares no code with it."""
    asked, codecs, pipeline = DELIVERIES[delivery]
    portal = five['charlie']
    body = f"source: millrace://{five['alpha'].id}/short.mkv\n{asked}\npacing: max\ndelivery: {delivery}\n"
    accepted = portal.request('POST', '/v1/services', body)
    url = portal.url + accepted['outputs'][0]['url']
    recorded = tmp_path / f'out.{delivery}'
    subprocess.run(['curl', '-sS', '--fail', '-o', recorded, url], check=True, timeout=60)
    found = {s['codec_type']: s['codec_name'] for s in probe(recorded)['streams']}
    assert found == codecs
    accepted = portal.request('POST', '/v1/services', body)
    url = portal.url + accepted['outputs'][0]['url']
    if delivery == 'webvtt':
        # ffplay shows no captions by themselves: ffmpeg reads them from the URL.
        shown = subprocess.run(['ffmpeg', '-v', 'error', '-i', url, '-f', 'webvtt', '-'], capture_output=True, text=True, timeout=60)
        assert shown.returncode == 0 and [c[2] for c in cues(shown.stdout)] == [c[2] for c in source_cues(media / 'short.mkv')], shown.stderr
    else:
        shown = subprocess.run(['ffplay', '-loglevel', 'error', '-autoexit', '-i', url], capture_output=True, text=True, timeout=60, env=HEADLESS)
        assert shown.returncode == 0 and not shown.stderr, shown.stderr
    done = subprocess.run(['gst-launch-1.0', '-q', 'filesrc', f'location={recorded}', '!', *pipeline.split()], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr
