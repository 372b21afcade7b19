"""Peers on hosts with real distance between them: network namespaces joined by Tools/netlab. Needs root and /dev/net/tun."""
import json, os, pathlib, signal, subprocess, sys, tempfile

from overlay import ROOT, Answer, Overlay, Timeout, wait_for

NETLAB = ROOT / 'Tools' / 'netlab' / 'netlab.py'


def available():
    """Why distance cannot be had on this machine; None if it can."""
    if os.geteuid() != 0:
        return 'needs root'
    if not os.path.exists('/dev/net/tun'):
        return 'needs /dev/net/tun'
    if subprocess.run(['ip', 'netns', 'list'], capture_output=True).returncode:
        return 'needs ip netns'
    return None


class DistantOverlay(Overlay):
    """Host i is 10.77.0.(i+1). delays: {(a, b): one-way ms}, both ways; what is unsaid has `delay`."""

    def __init__(self, hosts, delay=10, delays=None, rates=None):
        super().__init__()
        self.control = str(self.folder / 'netlab.sock')
        self.netlab = subprocess.Popen([sys.executable, NETLAB, 'up', '--hosts', str(hosts), '--delay', str(delay), '--control', self.control],
                                       stdout=subprocess.PIPE, text=True, start_new_session=True)
        if 'hosts up' not in (self.netlab.stdout.readline() or ''):
            raise RuntimeError('netlab did not start')
        self.delay, self.delays = delay, dict(delays or {})
        for (a, b), value in self.delays.items():
            self.set(f'{a} {b} delay={value}')
            self.set(f'{b} {a} delay={value}')
        for (a, b), value in (rates or {}).items():
            self.set(f'{a} {b} rate={value}')

    def set(self, change):
        done = subprocess.run([sys.executable, NETLAB, 'set', '--control', self.control, change], capture_output=True, text=True)
        assert done.stdout.strip() == 'ok', done.stdout + done.stderr

    def round_trip(self, peer, other):
        """The true one between two peers, in ms."""
        pair = (peer.number, other.number)
        return 2 * self.delays.get(pair, self.delays.get(pair[::-1], self.delay))

    def add(self, name, host, **config):
        peer = super().add(name, f'10.77.0.{host + 1}', ['ip', 'netns', 'exec', f'mlab{host}'], **config)
        peer.number = host
        peer.request = lambda *words, **options: request(peer, *words, **options)
        return peer

    def close(self):
        super().close()
        self.netlab.send_signal(signal.SIGTERM)
        self.netlab.wait(20)


def request(peer, method, path, body=None, headers=None, timeout=20):
    """Like Peer.request, from inside the peer's host."""
    command = [*peer.prefix, 'curl', '-sS', '-m', str(timeout), '-X', method, '-w', '\n%{http_code} %{content_type}', peer.url + path]
    headers = dict(headers or {})
    if body is not None:
        headers.setdefault('Content-Type', 'application/yaml')
        command += ['--data-binary', '@-']
    for name, value in headers.items():
        command += ['-H', f'{name}: {value}']
    done = subprocess.run(command, input=body, capture_output=True, text=True)
    if done.returncode:
        raise OSError(done.stderr)
    text, _, tail = done.stdout.rpartition('\n')
    status, _, kind = tail.partition(' ')
    if not status.startswith('2'):
        raise Answer(int(status), text)
    return json.loads(text) if 'json' in kind else text


def apart(a, b):
    """Round trip in ms between two members by their coordinates."""
    euclid = sum((x - y) ** 2 for x, y in zip(a['coordinate'], b['coordinate'])) ** 0.5
    return euclid + a.get('coordinate_height_ms', 0) + b.get('coordinate_height_ms', 0)


def wait_for_map(overlay, deadline=90):
    """Until every peer predicts every round trip to within 40 % or 10 ms: any of them may be elected, and it is what the manager knows that decides."""
    peers, wrong = list(overlay.peers.values()), []

    def known():
        wrong.clear()
        for viewer in peers:
            members = {m['node']: m for m in viewer.get('/v1/overlay')['members']}
            for number, peer in enumerate(peers):
                for other in peers[:number]:
                    truth = overlay.round_trip(peer, other)
                    a, b = members[peer.id], members[other.id]
                    found = apart(a, b) if a.get('coordinate') and b.get('coordinate') else None
                    if found is None or abs(found - truth) > max(10, 0.4 * truth):
                        wrong.append(f'{viewer.name}: {peer.name}–{other.name} {found} ms, in truth {truth} ms')
        return not wrong
    try:
        wait_for(known, deadline, 'everybody knows the map', every=0.5)
    except Timeout as late:
        raise Timeout(f'{late}; ' + '; '.join(wrong)) from None
