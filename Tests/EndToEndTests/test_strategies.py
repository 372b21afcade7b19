"""Real peers under each order of candidates: the service runs, the election says how it came about, and its evidence proves it."""
import json, subprocess

import pytest
from overlay import MILLRACE


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
