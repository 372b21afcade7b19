"""The manager is killed while it reserves, while media flows, while it repairs: its successor finishes what was asked for.

The lab kills it in every state (Tests/LabTests/FailoverTests.swift); here peers, sockets, disks and media are real."""
import json, os, signal, subprocess

from conftest import SPLIT
from overlay import MILLRACE, Timeout, wait_for
from test_faults import begin, finish, node_of

# Sound alone: the least work that still crosses three nodes.
SOUND = 'source: millrace://{node}/{file}\nvideo: none\naudio: {{codec: opus}}\ncaptions: none\ndelivery: webm\n'


def seven(overlay, media, **others):
    """Seven peers, of which five are a quorum: two may be gone at once. The last two, and whom `others` names, do what that says."""
    for number, (name, components) in enumerate({**SPLIT, 'foxtrot': [], 'golf': [], **others}.items(), 1):
        peer = overlay.add(name, f'127.0.0.{number}', components=components, slots=12, **({'share': str(media)} if name == 'alpha' else {}))
        peer.config['trace'] = str(peer.folder / 'trace')
    overlay.start()


def events(peer, *kinds, service=None):
    """Of a peer's trace, what is of these kinds, of one service or of any: what the peer itself serves may wait for others to answer."""
    lines = (json.loads(line) for line in open(peer.config['trace']) if line.endswith('\n'))
    return [line for line in lines if line.get('event', '').startswith(kinds) and service in (None, line.get('service'))]


def last_state(peer, service):
    states = events(peer, 'service.', service=service)
    # A plan that was made is no state.
    return next((line['event'] for line in reversed(states) if line['event'] != 'service.planned'), None)


def killed_while(manager, service, state):
    """Whether the manager was killed in this very state: it is stopped first, so that what it told last is true when it dies."""
    if last_state(manager, service) != state:
        return False
    manager.kill(signal.SIGSTOP)
    os.waitid(os.P_PID, manager.process.pid, os.WSTOPPED)
    if last_state(manager, service) != state:
        manager.kill(signal.SIGCONT)
        return False
    manager.kill()
    manager.process.wait()
    return True


def term_of(text):
    """Of N or EPOCH.N, to be compared."""
    return [int(part) for part in f'0.{text}'.split('.')[-2:]]


def mandate(overlay, portal, service):
    """Who manages, as far as the portal has heard, and in which term."""
    newest = events(portal, 'election.mandate', service=service)[-1]['details']
    return overlay.by_id(newest['manager']), term_of(newest['term'])


def succeeded(overlay, portal, service, term):
    """The next manager, once there is one."""
    def found():
        manager, newest = mandate(overlay, portal, service)
        return newest > term and manager
    return wait_for(found, 40, 'a successor is elected')


def finish_whole(overlay, process, recorded, seconds):
    """All of the sound came, each packet once; then no node holds work of any plan, sooner than what nobody released would free itself (15 s)."""
    finish(process, recorded, frames=0, seconds=seconds)
    for peer in (peer for peer in overlay.peers.values() if peer.process.poll() is None):
        def idle():
            lines = peer.get('/metrics').splitlines()
            return all(f'millrace_{name} 0' in lines for name in ('groups', 'workers', 'services_managed'))
        wait_for(idle, 10, f'{peer.name} has nothing left to do')


def test_the_manager_killed_while_it_reserves(overlay, media, tmp_path):
    """A node that every plan needs stands still, so that the manager waits for its answer."""
    seven(overlay, media)
    document, recorded, portal, asleep = tmp_path / 'request.yaml', tmp_path / 'out.webm', overlay['echo'], overlay['bravo']
    document.write_text(SOUND.format(node=overlay['alpha'].id, file='talk.mkv'))
    # Who manages follows from the request's ID, which is another each time: not the one that has the source, nor the portal.
    for _ in range(40):
        known = {line['service'] for line in events(portal, 'request.called')}
        asleep.kill(signal.SIGSTOP)
        process = subprocess.Popen([MILLRACE, 'request', document, '--peer', portal.url, '--record', recorded, '--json'], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        try:
            service = wait_for(lambda: next((s for line in events(portal, 'request.called') if (s := line['service']) not in known), None), 20, 'electors are called')
            wait_for(lambda: events(portal, 'election.mandate', service=service), 20, 'somebody is elected')
            manager, term = mandate(overlay, portal, service)
            if manager.name not in ('alpha', 'echo'):
                wait_for(lambda: killed_while(manager, service, 'service.reserving'), 5, 'it is killed while it reserves', every=0.01)
                break
        except Timeout:
            pass  # The sleeper was missed, or another took over, before the state was met: once more.
        finally:
            asleep.kill(signal.SIGCONT)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        overlay.wait_complete()
    else:
        raise AssertionError('no manager was killed while it reserved, in 40 requests')
    try:
        succeeded(overlay, portal, service, term)
        finish_whole(overlay, process, recorded, seconds=12)
    finally:
        process.kill()


def test_the_manager_killed_while_it_runs(overlay, media, tmp_path):
    seven(overlay, media)
    view, process, recorded = begin(overlay, tmp_path, file='sound.mkv', managers=('foxtrot', 'golf'), request=SOUND)
    try:
        wait_for(lambda: killed_while(overlay.by_id(view['manager']), view['id'], 'service.running'), 20, 'the manager is killed while media flows')
        succeeded(overlay, overlay['echo'], view['id'], term_of(view['term']))
        finish_whole(overlay, process, recorded, seconds=24)
    finally:
        process.kill()


def test_the_manager_killed_while_it_repairs(overlay, media, tmp_path):
    """The middle dies, and nobody else can do its work: the repair lasts until it is back, and the successor has to bring it about."""
    seven(overlay, media, charlie=[])
    view, process, recorded = begin(overlay, tmp_path, file='sound.mkv', managers=('charlie', 'foxtrot', 'golf'), request=SOUND)
    portal, middle = overlay['echo'], node_of(overlay, view, 'audio.resample')
    try:
        middle.kill()
        middle.process.wait()
        wait_for(lambda: killed_while(overlay.by_id(view['manager']), view['id'], 'service.repairing'), 20, 'the manager is killed while it repairs')
        succeeded(overlay, portal, view['id'], term_of(view['term']))
        middle.start(join=[portal.address]).ready()
        finish_whole(overlay, process, recorded, seconds=24)
    finally:
        process.kill()
