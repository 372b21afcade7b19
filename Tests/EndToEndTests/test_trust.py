"""Elections that can be trusted, as an operator and a client see them: requests that last, members that have lied, stores that came back."""
import base64, contextlib, shutil, sqlite3, subprocess, time

from overlay import MILLRACE, wait_for
from test_page import page_shows

REQUEST = 'source: millrace://{node}/long.mkv\nvideo: {{codec: vp8, size: 160x90}}\naudio: none\ncaptions: none\ndelivery: webm\n'


def four(overlay, media, **more):
    for number, name in enumerate(('alpha', 'bravo', 'charlie', 'delta'), 1):
        overlay.add(name, f'127.0.0.{number}', slots=12, **({'share': str(media)} if number == 1 else {}), **more)
    return overlay.start()


def test_a_stream_that_is_watched_outlives_its_requests_time(overlay, media, tmp_path):
    four(overlay, media, request_life=10)
    portal = overlay['delta']
    document = tmp_path / 'request.yaml'
    document.write_text(REQUEST.format(node=overlay['alpha'].id))
    recorded = tmp_path / 'out.webm'
    began = time.monotonic()
    done = subprocess.run([MILLRACE, 'request', document, '--peer', portal.url, '--record', recorded], capture_output=True, text=True, timeout=120)
    took = time.monotonic() - began
    assert done.returncode == 0, done.stdout + done.stderr
    # Forty seconds of media at their own pace, four times as long as the request was first signed for.
    assert took > 25
    seconds = float(subprocess.run(
        ['ffprobe', '-v', 'error', '-show_entries', 'packet=pts_time', '-of', 'csv=p=0', recorded], capture_output=True, text=True).stdout.split()[-1].strip(','))
    assert seconds > 38
    service = portal.get('/v1/services')[0] if isinstance(portal.get('/v1/services'), list) else portal.get('/v1/services')['services'][0]
    assert service['state'] == 'ended', service
    text = portal.get('/metrics')
    assert 'millrace_events_total{kind="service.renewed"}' in text
    # Evidence of the last term carries the client's word.
    evidence = portal.get(f'/v1/elections/{service["id"]}')['evidence']
    assert evidence['renewal']['signer'] == portal.id


# MARK: Fraud

def varint(value):
    out = b''
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def unbase32(text):
    return base64.b32decode(text.upper() + '=' * (-len(text) % 8))


def signed(peer, kind, body, folder):
    """A SignedBytes of the peer's own key: what the peer itself would have to say to lie."""
    seed = next(line.split()[1] for line in (peer.folder / 'node.key').read_text().splitlines() if line.startswith('seed'))
    key, message = folder / 'key.der', folder / 'message'
    key.write_bytes(bytes.fromhex('302e020100300506032b657004220420') + unbase32(seed))
    message.write_bytes(b'millrace/v1/' + kind.encode() + b'\0' + body)
    signature = subprocess.run(
        ['openssl', 'pkeyutl', '-sign', '-inkey', key, '-keyform', 'DER', '-rawin', '-in', message], capture_output=True, check=True).stdout
    return field(1, body) + field(2, unbase32(peer.id)) + field(3, signature)


def vote(peer, candidate, counter, folder):
    term = field(2, 1)
    body = field(1, bytes(range(32))) + field(2, term) + field(3, unbase32(candidate.id)) + field(4, counter) + field(5, 7)
    return field(1, b'vote') + field(2, signed(peer, 'vote', body, folder))


def test_two_votes_of_a_member_are_known_to_everybody_and_it_elects_nobody_any_more(overlay, media, tmp_path):
    four(overlay, media)
    liar, witness = overlay['charlie'], overlay['bravo']
    # Charlie has signed two votes for one term; bravo has come to hear of both.
    proof = field(1, vote(liar, overlay['alpha'], 5, tmp_path)) + field(2, vote(liar, overlay['delta'], 6, tmp_path))
    witness.stop()
    with contextlib.closing(sqlite3.connect(witness.folder / 'millrace.sqlite')) as database, database:
        now = int(time.time() * 1000)
        database.execute('INSERT INTO record (request, kind, key, sequence, keep_until, bytes) VALUES (?, ?, ?, ?, ?, ?)', (
            bytes(32), 'fraud', unbase32(liar.id), 1, now + 30 * 86_400_000, field(1, proof) + field(2, now)))
    witness.start(join=[overlay['alpha'].address]).ready()
    for peer in overlay.peers.values():
        frauds = wait_for(lambda: peer.get('/v1/overlay')['frauds'], 90, f'{peer.name} hears of the fraud')
        assert [(fraud['culprit'], fraud['kind']) for fraud in frauds] == [(liar.id, 'twoVotes')]
    portal = overlay['delta']
    shown = subprocess.run([MILLRACE, 'status', '--peer', portal.url], capture_output=True, text=True).stdout
    assert 'fraud:' in shown and 'cast two votes for term 1' in shown, shown
    assert 'millrace_fraud_proofs 1' in portal.get('/metrics')
    page_shows(overlay['alpha'], 'cast two votes for term 1')
    # A service of now has an electorate without it.
    answer = portal.request('POST', '/v1/services', REQUEST.format(node=overlay['alpha'].id), timeout=60)
    election = portal.get(f'/v1/elections/{answer["id"]}')
    assert election['mandate_valid'] and liar.id not in election['electorate']
    assert len(election['electorate']) == 3
    portal.request('DELETE', f'/v1/services/{answer["id"]}')


# MARK: Stores

def test_a_store_that_was_copied_back_begins_a_new_generation(overlay, media):
    four(overlay, media)
    peer = overlay['bravo']
    peer.stop()
    file = peer.folder / 'millrace.sqlite'
    shutil.copy(file, peer.folder / 'backup')
    file.unlink()
    shutil.move(peer.folder / 'backup', file)
    with contextlib.closing(sqlite3.connect(file)) as database:
        before = database.execute("SELECT count(*) FROM record WHERE kind = 'election'").fetchone()[0]
    assert before > 0
    peer.start(join=[overlay['alpha'].address]).ready()
    assert 'a new generation of the store begins' in peer.tail(10_000)
    # It takes part in what begins now.
    portal = overlay['delta']
    answer = portal.request('POST', '/v1/services', REQUEST.format(node=overlay['alpha'].id), timeout=60)
    assert portal.get(f'/v1/elections/{answer["id"]}')['mandate_valid']
    portal.request('DELETE', f'/v1/services/{answer["id"]}')
