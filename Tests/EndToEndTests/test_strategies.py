"""Real peers under each order of candidates: the service runs, the election says how it came about, and its evidence proves it."""
import json, re, subprocess

import pytest
from conftest import SPLIT
from overlay import MILLRACE, Answer, wait_for
from test_faults import begin, finish


@pytest.mark.parametrize('strategy', ['rendezvous', 'sortition', 'nearest', 'leastLoaded'])
def test_real_peers_elect_by_each_order(overlay, media, strategy, tmp_path):
    for number, name in enumerate(('alpha', 'bravo', 'charlie', 'delta'), 1):
        config = {'share': str(media)} if number == 1 else {}
        overlay.add(name, f'127.0.0.{number}', slots=12, election=strategy, **config)
    overlay.start()
    portal = overlay['delta']
    document = f'source: millrace://{overlay["alpha"].id}/talk.mkv\ndelivery: webm\nvideo: {{height: 180}}\n'
    answer = portal.request('POST', '/v1/services', document.encode(), {'Content-Type': 'application/yaml'}, timeout=60)
    election = portal.get(f'/v1/elections/{answer["id"]}')
    assert election['strategy'] == strategy and election['safety'] == 'quorum' and election['mandate_valid']
    assert election['manager'] == election['electorate'][0]
    if strategy == 'nearest':
        assert election['manager'] == portal.id
    evidence = election['evidence']
    assert ('orderEvidence' in evidence) == (strategy != 'rendezvous')
    path, roster = tmp_path / 'evidence.json', tmp_path / 'roster.txt'
    roster.write_text('\n'.join(peer.id for peer in overlay.peers.values()))

    def verify():
        path.write_text(json.dumps(evidence))
        return subprocess.run([MILLRACE, 'verify', path, '--roster', roster], capture_output=True, text=True)
    done = verify()
    assert done.returncode == 0 and 'valid relative to roster' in done.stdout, done.stdout + done.stderr
    if strategy != 'rendezvous':
        body = evidence['orderEvidence'][1]['body']
        evidence['orderEvidence'][1]['body'] = ('B' if body[0] != 'B' else 'C') + body[1:]
        done = verify()
        assert done.returncode != 0 and 'orderEvidence[1]' in done.stdout + done.stderr


RIVALS = {'bully': 'unsafe', 'raft': 'majorityCrashOnly', 'firstResponder': 'unsafe'}


@pytest.mark.parametrize('strategy', RIVALS)
def test_real_peers_run_a_protocol_without_a_quorum_and_say_so(overlay, media, tmp_path, strategy):
    """Elected, planned, media flows; the manager is killed, another adopts it, and the stream is whole. Everything shown says what it is worth."""
    for name in ('alpha', 'bravo', 'charlie', 'delta', 'echo', 'foxtrot'):
        overlay.add(name, f'127.0.0.{len(overlay.peers) + 1}', slots=12, election=strategy)
    # Bully's manager is the highest ID: it is to be neither source nor portal, so that its death ends nothing else.
    order = 'abcdefghijklmnopqrstuvwxyz234567'
    ranked = sorted(overlay.peers.values(), key=lambda peer: [order.index(letter) for letter in peer.id])
    roles = [('source', {'components': SPLIT['alpha'], 'share': str(media)}), ('portal', {'components': []})]
    roles += [(name, {'components': SPLIT[name]}) for name in ('bravo', 'charlie', 'delta', 'echo')]
    cast = {}
    for peer, (role, config) in zip(ranked, roles):
        peer.config.update(config)
        cast[role] = peer
    overlay.start()
    portal = cast['portal']
    view, process, recorded = begin(overlay, tmp_path, managers=[p.name for p in ranked[2:]], portal=portal.name, source=cast['source'].name)
    try:
        election = portal.get(f"/v1/elections/{view['id']}")
        assert (election['strategy'], election['safety']) == (strategy, RIVALS[strategy]) and not election['mandate_valid']
        assert 'not provable to a third party' in election['warning'] and election['votes'] == []
        assert strategy != 'bully' or election['manager'] == ranked[-1].id
        status = portal.get('/v1/overlay')
        assert status['safety'] == RIVALS[strategy] and any('not provable' in text for text in status['warnings'])
        assert any('not provable' in text for text in portal.get(f"/v1/services/{view['id']}")['warnings'])
        assert f'millrace_election_strategy{{safety="{RIVALS[strategy]}",strategy="{strategy}"}} 1' in sorted_labels(portal.get('/metrics'))
        said = subprocess.run([MILLRACE, 'explain', view['id'], '--peer', portal.url], capture_output=True, text=True)
        assert said.returncode == 0 and 'not provable' in said.stdout and 'says so itself' in said.stdout, said.stdout + said.stderr
        said = subprocess.run([MILLRACE, 'status', '--peer', portal.url], capture_output=True, text=True)
        assert f'safety {RIVALS[strategy]}' in said.stdout, said.stdout + said.stderr
        path = tmp_path / 'evidence.json'
        path.write_text(json.dumps(election))
        said = subprocess.run([MILLRACE, 'verify', path], capture_output=True, text=True)
        assert said.returncode == 1 and 'every signature holds, and nothing is proved' in said.stdout, said.stdout + said.stderr
        evidence = election['evidence']
        assert evidence['assignments']
        body = evidence['assignments'][0]['body']
        evidence['assignments'][0]['body'] = ('B' if body[0] != 'B' else 'C') + body[1:]
        path.write_text(json.dumps(evidence))
        said = subprocess.run([MILLRACE, 'verify', path], capture_output=True, text=True)
        assert said.returncode == 1 and 'assignments[0]' in said.stderr and 'every signature holds' not in said.stdout, said.stderr

        first = overlay.by_id(view['manager'])
        first.kill()
        ask = lambda: portal.get(f"/v1/services/{view['id']}")
        wait_for(lambda: (v := ask()).get('manager') not in (None, first.id) and v['state'] == 'running' and v, 40, 'another manages')
        finish(process, recorded)
    finally:
        process.kill()
        process.wait()


def sorted_labels(metrics):
    """Prometheus text with each sample's labels in order."""
    return re.sub(r'\{(.*?)\}', lambda match: '{' + ','.join(sorted(match[1].split(','))) + '}', metrics)


def test_a_peer_that_elects_by_a_quorum_refuses_a_bully(overlay, media, tmp_path):
    for number, name in enumerate(('alpha', 'bravo', 'charlie', 'delta'), 1):
        config = {'share': str(media)} if number == 1 else {}
        overlay.add(name, f'127.0.0.{number}', slots=12, election='bully' if name == 'delta' else 'rendezvous', **config)
    overlay.start()
    document = f'source: millrace://{overlay["alpha"].id}/talk.mkv\ndelivery: webm\nvideo: {{height: 180}}\n'
    with pytest.raises(Answer) as refused:
        overlay['delta'].request('POST', '/v1/services', document.encode(), {'Content-Type': 'application/yaml'}, timeout=90)
    assert 'this node elects by rendezvous' in str(refused.value)
