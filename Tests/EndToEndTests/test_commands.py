"""The command line, as the README has it."""
import json, subprocess

from overlay import MILLRACE, Answer, wait_for
import pytest


def run(*words, code=0, timeout=60):
    done = subprocess.run([MILLRACE, *map(str, words)], capture_output=True, text=True, timeout=timeout)
    assert done.returncode == code, done.stderr + done.stdout
    return done.stdout


@pytest.fixture(scope='module')
def service(five):
    """A live service through delta, ended afterwards."""
    body = f"source: millrace://{five['alpha'].id}/long.mkv\nvideo: {{height: 180}}\ndelivery: webm\n"
    accepted = five['delta'].request('POST', '/v1/services', body)
    yield five, accepted['id']
    five['delta'].request('DELETE', f"/v1/services/{accepted['id']}")


def test_plan_lists_components_without_running_anything(media, tmp_path):
    document = tmp_path / 'r.yaml'
    document.write_text('source: millrace://' + 'a' * 52 + '/talk.mkv\nvideo: {codec: vp8, size: 320x180, fps: 25, captions: burn}\ndelivery: webm\n')
    text = run('plan', document, '--source', media / 'talk.mkv')
    for component in ('source.video', 'video.fps', 'video.scale', 'video.burn', 'video.vp8', 'audio.opus', 'mux.webm'):
        assert component in text
    listed = json.loads(run('plan', document, '--source', media / 'talk.mkv', '--json'))
    assert [s['component'] for s in listed['stages']].count('mux.webm') == 1
    assert listed == json.loads(run('plan', document, '--source', media / 'talk.mkv', '--json'))


def test_status_shows_every_member_from_any_peer(five):
    for peer in five.peers.values():
        text = run('status', '--peer', peer.url)
        for other in five.peers.values():
            assert other.id[:8] in text
        status = json.loads(run('status', '--peer', peer.url, '--json'))
        for member in status['members']:
            load = member['load']
            assert load['encode_megapixels_per_second'] > 0 and load['decode_megapixels_per_second'] > 0
            assert load['age_seconds'] < 60 and 0 <= load['machine_cpu'] <= 1
    assert 'tolera' in text.lower() or 'loss' in text.lower()


def test_explain_and_verify(service, tmp_path):
    five, identifier = service
    text = run('explain', identifier, '--peer', five['delta'].url)
    for word in ('source.video', 'mux.webm', 'votes'):
        assert word in text, text
    election = five['delta'].get(f'/v1/elections/{identifier}')
    evidence = tmp_path / 'evidence.json'
    evidence.write_text(json.dumps(election['evidence']))
    roster = tmp_path / 'roster.txt'
    roster.write_text('\n'.join(peer.id for peer in five.peers.values()))
    assert 'valid' in run('verify', evidence)
    assert 'roster' in run('verify', evidence, '--roster', roster)


def test_verify_names_what_was_changed(service, tmp_path):
    five, identifier = service
    evidence = five['delta'].get(f'/v1/elections/{identifier}')['evidence']
    vote = evidence['votes'][0] if 'votes' in evidence else evidence['mandate']['votes'][0]
    key = next(k for k in vote if 'signature' in k)
    text = vote[key]
    vote[key] = ('B' if text[0] != 'B' else 'C') + text[1:]
    path = tmp_path / 'evidence.json'
    path.write_text(json.dumps(evidence))
    done = subprocess.run([MILLRACE, 'verify', path], capture_output=True, text=True)
    assert done.returncode != 0 and 'vote' in (done.stderr + done.stdout).lower()


def test_sockets_are_visible(service):
    five, identifier = service
    view = wait_for(lambda: (v := five['delta'].get(f'/v1/services/{identifier}'))['sockets'] and v, 20, 'sockets')
    assert view['state'] == 'running'
    directions = {s['direction'] for s in view['sockets']}
    assert directions >= {'out'} and all(s['address'] and s['stream_key'] for s in view['sockets'])


def test_any_peer_answers_for_a_service(service):
    five, identifier = service
    for peer in five.peers.values():
        view = wait_for(lambda: peer.get(f'/v1/services/{identifier}'), 10, f'{peer.name} knows')
        assert view['manager'] and view['stages']


def test_an_ended_service_frees_its_workers(five):
    body = f"source: millrace://{five['alpha'].id}/long.mkv\nvideo: {{height: 120}}\naudio: none\ndelivery: webm\n"
    workers = lambda: sum(len(p.workers()) for p in five.peers.values())
    before = workers()
    accepted = five['bravo'].request('POST', '/v1/services', body)
    wait_for(lambda: workers() > before, 20, 'workers start')
    five['bravo'].request('DELETE', f"/v1/services/{accepted['id']}")
    wait_for(lambda: workers() <= before, 30, 'workers are freed')
    assert five['bravo'].get(f"/v1/services/{accepted['id']}")['state'] == 'ended'


def test_keys(tmp_path):
    made = run('keys', 'new', '--data', tmp_path).split()[0]
    assert len(made) == 52 and made in run('keys', 'show', '--data', tmp_path)
    again = subprocess.run([MILLRACE, 'keys', 'new', '--data', tmp_path], capture_output=True, text=True)
    assert again.returncode != 0, 'a key is never overwritten'


def test_metrics_and_openapi(five):
    text = five['alpha'].get('/metrics')
    assert '# TYPE millrace_members gauge' in text or 'millrace_members' in text
    assert 'openapi' in five['alpha'].get('/openapi.yaml')


def test_a_portal_plans_without_running_anything(five):
    portal = five['bravo']
    asked_here = lambda: {service['id'] for service in portal.get('/v1/services') if service['portal'] == portal.id and service['request']}
    before = asked_here()
    body = f"source: millrace://{five['alpha'].id}/talk.mkv\nvideo: {{height: 180}}\ndelivery: webm\n"
    plan = portal.request('POST', '/v1/plan', body)
    assert [s['component'] for s in plan['stages']].count('mux.webm') == 1 and not any(s.get('node') for s in plan['stages'])
    assert asked_here() <= before
