"""The command line, as the README has it."""
import base64, json, subprocess

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


def flip(text, bit):
    """Base64 with one bit of what it says changed."""
    data = bytearray(base64.b64decode(text))
    data[bit // 8 % len(data)] ^= 1 << bit % 8
    return base64.b64encode(data).decode()


def test_verify_names_the_part_of_which_a_bit_was_changed(service, tmp_path):
    five, identifier = service
    whole = wait_for(lambda: (e := five['delta'].get(f'/v1/elections/{identifier}')['evidence'])['assignments'] and e, 20, 'assignments are shown')
    path = tmp_path / 'evidence.json'
    path.write_text(json.dumps(whole))
    assert json.loads(run('verify', path, '--json'))['valid'] is True
    parts = [('envelope',)] + [('votes', n) for n in range(len(whole['votes']))] + [('assignments', n) for n in range(len(whole['assignments']))]
    for number, part in enumerate(parts):
        name = part[0] + ''.join(f'[{n}]' for n in part[1:])
        for member in ('body', 'signature'):
            changed = json.loads(json.dumps(whole))
            found = changed
            for step in part:
                found = found[step]
            found[member] = flip(found[member], 41 * number + 7)
            path.write_text(json.dumps(changed))
            verdict = json.loads(run('verify', path, '--json', code=1))
            assert verdict['valid'] is False and name in {finding['part'] for finding in verdict['findings']}, (name, member, verdict)
    changed = json.loads(json.dumps(whole))
    changed['electorate'].pop()
    path.write_text(json.dumps(changed))
    done = subprocess.run([MILLRACE, 'verify', path], capture_output=True, text=True)
    assert done.returncode == 1 and 'electorate' in done.stderr


def test_any_peer_answers_for_a_service(service):
    five, identifier = service
    for peer in five.peers.values():
        view = wait_for(lambda: peer.get(f'/v1/services/{identifier}'), 10, f'{peer.name} knows')
        assert view['manager'] and view['stages']


def test_an_ended_service_frees_its_workers(five):
    body = f"source: millrace://{five['alpha'].id}/long.mkv\nvideo: {{height: 120}}\naudio: none\ndelivery: webm\n"
    workers = lambda: sum(p.get('/v1/overlay')['workers'] for p in five.peers.values())
    # A peer that has just started measures itself with one.
    wait_for(lambda: workers() == 0, 60, 'nobody works')
    accepted = five['bravo'].request('POST', '/v1/services', body)
    wait_for(lambda: workers() > 0, 20, 'workers start')
    five['bravo'].request('DELETE', f"/v1/services/{accepted['id']}")
    wait_for(lambda: workers() == 0, 30, 'workers are freed')
    view = five['bravo'].get(f"/v1/services/{accepted['id']}")
    assert view['state'] == 'ended'
    # Who managed it can prove that it did, as the portal can; others say that they cannot.
    manager = five.by_id(view['manager'])
    wait_for(lambda: manager.get(f"/v1/services/{accepted['id']}")['state'] == 'ended', 20, 'the manager is done')
    for peer in (manager, five['bravo']):
        assert peer.get(f"/v1/elections/{accepted['id']}")['manager'] == manager.id


def test_keys(tmp_path):
    made = run('keys', 'new', '--data', tmp_path).split()[0]
    assert len(made) == 52 and made in run('keys', 'show', '--data', tmp_path)
    assert json.loads(run('keys', 'show', '--data', tmp_path, '--json')) == {'node': made}
    again = subprocess.run([MILLRACE, 'keys', 'new', '--data', tmp_path], capture_output=True, text=True)
    assert again.returncode != 0, 'a key is never overwritten'


COMMANDS = ['node', 'request', 'plan', 'status', 'explain', 'verify', 'keys', 'keys show', 'keys new']


def test_help_explains_every_command_and_every_option():
    text = run('--help')
    assert all(command.split()[0] in text for command in COMMANDS) and 'Exit status' in text
    for command in COMMANDS:
        text = run('help', *command.split())
        options = [line for line in text.splitlines() if line.startswith('  --') or line.startswith('  <')]
        for number, line in enumerate(options):
            explained = len(line.split('  ')) > 2 or text.splitlines()[text.splitlines().index(line) + 1].startswith(' ' * 20)
            assert explained, f'{command}: {line}'


def test_help_names_every_way_to_find_a_manager():
    said = ' '.join(run('help', 'node').split())
    assert 'rendezvous, sortition, nearest, leastLoaded; or, without a quorum, bully, raft, firstResponder' in said


@pytest.mark.parametrize('words, code, said', [
    (['frobnicate'], 64, 'frobnicate'), (['plan'], 64, 'request'), (['status', '--pear', 'x'], 64, '--pear'), (['request', 'r.yaml', '--for', '3s'], 64, '--record'),
    (['request', '/nowhere.yaml'], 1, '/nowhere.yaml'), (['status', '--peer', 'ftp://x'], 1, 'http://HOST:PORT'), (['keys', 'show', '--data', '/nowhere'], 1, '/nowhere'),
    (['verify', '/nowhere'], 1, '/nowhere'), (['node', '--listen', 'here'], 1, 'ADDRESS:PORT'), (['node', '--config', '/nowhere'], 1, '/nowhere'),
])
def test_what_cannot_be_done_is_said_with_its_exit_status(words, code, said):
    done = subprocess.run([MILLRACE, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == code and said in done.stderr and not done.stdout, (done.returncode, done.stderr)


def test_metrics_and_openapi(five):
    text = five['alpha'].get('/metrics')
    members = {line.split()[0]: line.split()[1] for line in text.splitlines() if line.startswith('millrace_members{')}
    assert members['millrace_members{state="alive"}'] == '5'
    kinds = dict(line.split()[2:4] for line in text.splitlines() if line.startswith('# TYPE'))
    assert kinds['millrace_members'] == 'gauge' and kinds['millrace_datagrams_sent_total'] == 'counter'
    assert {line.split('{')[0].split()[0] for line in text.splitlines() if not line.startswith('#')} <= set(kinds)
    assert five['alpha'].get('/openapi.yaml').startswith('openapi: 3')
    health = five['alpha'].get('/healthz')
    assert (health['status'], health['members_alive'], health['node']) == ('ok', 5, five['alpha'].id)


def test_a_portal_plans_without_running_anything(five):
    portal = five['bravo']
    asked_here = lambda: {service['id'] for service in portal.get('/v1/services') if service['portal'] == portal.id and service['request']}
    before = asked_here()
    body = f"source: millrace://{five['alpha'].id}/talk.mkv\nvideo: {{height: 180}}\ndelivery: webm\n"
    plan = portal.request('POST', '/v1/plan', body)
    assert [s['component'] for s in plan['stages']].count('mux.webm') == 1 and not any(s.get('node') for s in plan['stages'])
    assert asked_here() <= before
