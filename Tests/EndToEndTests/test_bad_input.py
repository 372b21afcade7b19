"""Bad input gets a clear error at the right place, and the peer goes on."""
import json, os, pathlib, random, re, socket, ssl, subprocess

import pytest
from media import packet_times
from overlay import MILLRACE, Answer, free_port

GOOD = 'source: millrace://{node}/talk.mkv\n'


def post(peer, text, **headers):
    with pytest.raises(Answer) as caught:
        peer.request('POST', '/v1/services', text, {'Content-Type': 'application/yaml', **headers})
    problem = caught.value.problem
    assert problem.get('status') == caught.value.status and problem.get('type') and problem.get('detail'), caught.value
    return problem


@pytest.mark.parametrize('body, status, field, said', [
    ('source: [unclosed', 400, None, 'line'),
    ('source: millrace://{node}/talk.mkv\nvideo: {{codec: vp8, sice: 640x360}}\n', 422, 'sice', 'size'),
    ('source: millrace://{node}/talk.mkv\nvideo: {{fps: 5000}}\n', 422, 'fps', '5000'),
    ('source: millrace://{node}/talk.mkv\nvideo: {{codec: h264}}\ndelivery: webm\n', 422, None, 'webm'),
    ('source: millrace://{node}/talk.mkv\naudio: {{codec: mp3}}\n', 422, 'codec', 'opus'),
    ('video: {{}}\n', 422, 'source', 'source'),
    ('source: file:///etc/passwd\n', 422, 'source', 'millrace://'),
    ('source: millrace://{node}/../../etc/passwd\n', 422, 'source', ''),
    ('source: millrace://{node}/missing.mkv\n', 404, None, 'missing.mkv'),
    ('source: millrace://{node}/noise.mkv\n', 422, None, 'noise.mkv'),
    ('source: millrace://{node}/talk.mkv\nvideo: {{bitrate: 1k}}\n', 422, 'bitrate', '1k'),
    ('source: millrace://{node}/silent.mkv\naudio: {{codec: opus}}\n', 422, 'audio', 'no audio'),
])
def test_a_bad_request_is_refused_with_its_field(five, body, status, field, said):
    problem = post(five['bravo'], body.format(node=five['alpha'].id))
    assert problem['status'] == status, problem
    if field:
        assert field in problem.get('field', ''), problem
    assert said in json.dumps(problem), problem
    assert five['bravo'].get('/healthz')


def test_json_is_checked_too(five):
    problem = post(five['bravo'], '{"source": ', **{'Content-Type': 'application/json'})
    assert problem['status'] == 400


def test_a_request_without_a_known_node_names_it(five):
    stranger = subprocess.run([MILLRACE, 'keys', 'new', '--data', five.folder / 'stranger'], check=True, capture_output=True, text=True).stdout.split()[0]
    problem = post(five['bravo'], GOOD.format(node=stranger))
    assert stranger[:8] in json.dumps(problem)


def test_a_component_nobody_offers(overlay, media):
    overlay.add('alpha', '127.0.0.1', share=str(media), components=['source.video', 'source.audio', 'video.scale'])
    overlay.add('bravo', '127.0.0.2', components=['video.scale'])
    overlay.start()
    problem = post(overlay['bravo'], GOOD.format(node=overlay['alpha'].id))
    assert problem['status'] == 503 and 'no node offers' in problem['detail'] and any(name in problem['detail'] for name in ('video.vp8', 'audio.opus', 'mux.webm')), problem
    assert len(overlay['bravo'].alive_members()) == 2


def test_a_bitrate_that_no_link_carries_is_refused_with_the_rate_and_the_link(overlay, media):
    overlay.add('alpha', '127.0.0.1', share=str(media), components=['source.video'], up='60kbit')
    overlay.add('bravo', '127.0.0.2', components=['video.scale', 'video.vp8', 'mux.webm'])
    overlay.start()
    problem = post(overlay['bravo'], f"source: millrace://{overlay['alpha'].id}/talk.mkv\nvideo: {{bitrate: 20M}}\naudio: none\ncaptions: none\n")
    assert problem['status'] == 503 and re.search(r'no link carries the \d+ bit/s from source.video to video.vp8', problem['detail']), problem
    assert len(overlay['bravo'].alive_members()) == 2


def test_the_command_names_an_unreachable_peer(five, tmp_path):
    document = tmp_path / 'r.yaml'
    document.write_text(GOOD.format(node=five['alpha'].id))
    port = free_port()
    done = subprocess.run([MILLRACE, 'request', document, '--peer', f'http://127.0.0.1:{port}', '--json'], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and str(port) in done.stderr


def test_a_port_in_use_is_named(five):
    taken = five['alpha'].listen
    done = subprocess.run([MILLRACE, 'node', '--data', five.folder / 'twin', '--listen', taken, '--portal', f'127.0.0.1:{free_port()}'],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and taken in done.stderr, done.stderr


def test_a_bad_configuration_is_refused_with_its_line(tmp_path):
    path = tmp_path / 'node.yaml'
    path.write_text('overlay: x\nlisten: 127.0.0.1:7400\nslotz: 3\n')
    done = subprocess.run([MILLRACE, 'node', '--config', path], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and ':3' in done.stderr and 'slotz' in done.stderr, done.stderr
    for election, said in [('paxos', 'sortition'), ('bulli', 'without a quorum, bully')]:
        path.write_text(f'overlay: x\nelection: {election}\n')
        done = subprocess.run([MILLRACE, 'node', '--config', path], capture_output=True, text=True, timeout=60)
        assert done.returncode != 0 and ':2' in done.stderr and election in done.stderr and said in done.stderr, done.stderr


def test_a_corrupt_key_file_is_named_and_kept(tmp_path):
    subprocess.run([MILLRACE, 'keys', 'new', '--data', tmp_path], check=True, capture_output=True)
    key = next(p for p in pathlib.Path(tmp_path).iterdir() if 'key' in p.name)
    assert key.stat().st_mode & 0o777 == 0o600
    key.write_bytes(b'garbage')
    done = subprocess.run([MILLRACE, 'keys', 'show', '--data', tmp_path], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and key.name in done.stderr
    assert key.read_bytes() == b'garbage'


def test_a_corrupt_database_is_said_and_the_peer_starts_a_new_generation(overlay):
    peer = overlay.add('alpha')
    overlay.start()
    peer.stop()
    database = next(p for p in peer.folder.iterdir() if p.suffix in ('.sqlite', '.db'))
    for side in peer.folder.glob(database.name + '-*'):
        side.unlink()
    database.write_bytes(os.urandom(50_000))
    peer.start()
    peer.ready()
    assert 'corrupt' in peer.tail()


def test_noise_does_not_disturb(five):
    host, port = five['charlie'].listen.split(':')
    noise = random.Random(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        for _ in range(300):
            udp.sendto(noise.randbytes(noise.randrange(1, 1400)), (host, int(port)))
    for garbage in (b'GET / HTTP/1.1\r\n\r\n', noise.randbytes(4096)):
        with socket.create_connection((host, int(port)), 5) as tcp:
            tcp.sendall(garbage)
            tcp.settimeout(10)
            try:
                while tcp.recv(4096):
                    pass
            except (ConnectionError, TimeoutError):
                pass
    assert len(five['charlie'].alive_members()) == 5
    metrics = five['charlie'].get('/metrics')
    dropped = [line for line in metrics.splitlines() if line.startswith('millrace_datagrams_dropped_total')]
    assert dropped and sum(float(line.split()[-1]) for line in dropped) >= 100, dropped


def test_a_stranger_without_a_node_certificate_gets_no_link(five):
    host, port = five['charlie'].listen.split(':')
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with pytest.raises((ssl.SSLError, ConnectionError, TimeoutError, OSError)):
        with socket.create_connection((host, int(port)), 5) as tcp, context.wrap_socket(tcp) as tls:
            tls.settimeout(5)
            tls.sendall(b'\0\0\0\4abcd')
            if not tls.recv(1):
                raise ConnectionError('closed')
    assert five['charlie'].get('/healthz')


def test_a_truncated_source_gives_what_is_there_and_says_that_it_is_damaged(five, media, tmp_path):
    document, recorded = tmp_path / 'r.yaml', tmp_path / 'out.webm'
    document.write_text(f"source: millrace://{five['alpha'].id}/broken.mkv\npacing: max\ndelivery: webm\n")
    done = subprocess.run([MILLRACE, 'request', document, '--peer', five['bravo'].url, '--record', recorded], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    readable = subprocess.run(['ffmpeg', '-v', 'quiet', '-i', media / 'broken.mkv', '-map', '0:v:0', '-f', 'framehash', '-'], capture_output=True, text=True).stdout
    frames = sum(1 for line in readable.splitlines() if line and line[0] != '#')
    assert frames > 10 and abs(len(packet_times(recorded, 'v')) - frames) <= 1
    damaged = [line for peer in five.peers.values() for line in peer.get('/metrics').splitlines() if 'kind="group.damaged"' in line]
    assert damaged, 'the node that read it says so'


def test_a_source_of_which_nothing_is_readable_is_refused(five):
    assert post(five['bravo'], f"source: millrace://{five['alpha'].id}/stump.mkv\n")['status'] == 422


def test_the_same_idempotency_key_gives_the_same_service(five):
    body = GOOD.format(node=five['alpha'].id)
    headers = {'Content-Type': 'application/yaml', 'Idempotency-Key': 'once'}
    first = five['delta'].request('POST', '/v1/services', body, headers)
    again = five['delta'].request('POST', '/v1/services', body, headers)
    assert first['id'] == again['id'] and again['is_repeat']
    five['delta'].request('DELETE', f"/v1/services/{first['id']}")


RAW = ('Error Domain', 'NSCocoa', 'DecodingError', 'Debug description', 'CodingKeys', 'Fatal error')


def refused(words, code, said, folder, **options):
    done = subprocess.run([MILLRACE, *words], capture_output=True, text=True, timeout=60, cwd=folder, **options)
    assert done.returncode == code and said in done.stderr and not done.stdout, (done.returncode, done.stderr)
    assert not any(raw in done.stderr for raw in RAW), done.stderr
    return done


@pytest.fixture(scope='module')
def scenario():
    return json.loads(subprocess.run([MILLRACE, 'lab', 'replay', '3', '--scenario'], check=True, capture_output=True, text=True).stdout)


@pytest.mark.parametrize('change, said', [
    (lambda s: s['requests'][0].update(portal=999), 's.json: requests[0].portal: 999; allowed: 0…'),
    (lambda s: s['requests'][0].update(source=77), 's.json: requests[0].source: 77; allowed: 0…'),
    (lambda s: s.update(nodes=[]), 's.json: nodes: 0; allowed: 1…'),
    (lambda s: s['weather'].update(loss=7), 's.json: weather.loss: 7.0; allowed: 0.0…1.0'),
    (lambda s: s.update(ends_at=-1), 's.json: ends_at: -1.0; allowed: 0.0…'),
    (lambda s: s.update(surprise=1), 's.json: surprise: there is no such field; allowed: seed, nodes'),
    (lambda s: s['nodes'][1].pop('slots'), 's.json: nodes[1].slots: is missing; allowed: a scenario as'),
    (lambda s: s['nodes'][1].update(slots='two'), 's.json: nodes[1].slots: “two”; allowed: a whole number'),
])
def test_a_mistake_in_a_scenario_is_told_before_it_runs(scenario, tmp_path, change, said):
    changed = json.loads(json.dumps(scenario))
    change(changed)
    (tmp_path / 's.json').write_text(json.dumps(changed))
    refused(['lab', 'run', 's.json'], 1, said, tmp_path)


@pytest.mark.parametrize('words, code, said', [
    (['lab', 'run', 'nosuch.json'], 1, 'nosuch.json: there is no such file'), (['lab', 'run', 'none.json'], 1, 'none.json: is no JSON'),
    (['lab', 'run', 'folder.json'], 1, 'folder.json: is a folder'), (['lab', 'replay', '139-'], 64, '139-: no name of a scenario'),
    (['lab', 'replay', '139-f99'], 1, '139-f99: f99 leads nowhere'), (['lab', 'replay', '139-nonsense'], 64, '139-nonsense: no name of a scenario'),
    (['lab', 'run', 's.yaml', '--runs', '99999999999'], 64, '--runs: 99999999999 where 1 to 1000000 are expected'),
    (['lab', 'run', 's.yaml', '--threads=-1'], 64, '--threads: -1 where 0 to 64 are expected'),
    (['lab', 'swarm', '--runs', '1', '--threads', '65'], 64, '--threads: 65 where 0 to 64 are expected'),
    (['verify', 'none.json'], 1, 'none.json: evidence: not JSON'), (['verify', 'less.json'], 1, 'less.json: evidence.version: is missing'),
    (['plan', 'less.json', '--source', 'x'], 1, 'less.json: line 1: a: there is no such field'),
])
def test_a_file_or_a_name_that_cannot_be_is_told_in_a_sentence(tmp_path, words, code, said):
    (tmp_path / 'none.json').write_text('{"seed": 1,')
    (tmp_path / 'less.json').write_text('{"a": 1}')
    (tmp_path / 'folder.json').mkdir()
    (tmp_path / 's.yaml').write_text('study: liars\n')
    refused(words, code, said, tmp_path)


def test_where_a_study_cannot_write_is_noticed_before_it_runs(tmp_path):
    (tmp_path / 's.yaml').write_text('study: liars\nruns: 1000000\n')
    (tmp_path / 'file').write_text('')
    for out in ('file', 'file/out'):
        done = refused(['lab', 'run', 's.yaml', '--out', out], 1, f'--out: {out} cannot be', tmp_path)
        assert 'done' not in done.stderr
    (tmp_path / 't').write_text('')
    refused(['lab', 'report', 't', '--out', 'file'], 1, '--out: file cannot be', tmp_path)
