"""Memory of a node is bounded whatever the stream's length."""
import subprocess, time

import pytest
from overlay import wait_for

MEBIBYTE = 1 << 20


def resident(pid):
    """Resident bytes of a process; 0 when it is gone."""
    try:
        with open(f'/proc/{pid}/statm') as statm:
            return int(statm.read().split()[1]) * 4096
    except (OSError, IndexError):
        return 0


@pytest.fixture
def stream(overlay, tmp_path):
    """A stream as fast as three nodes can make it, far more of it than any window holds, and a client that reads slowly."""
    share = tmp_path / 'share'
    share.mkdir()
    # Noise does not compress: 40 MB of it travel between the nodes for each minute of this.
    subprocess.run(['ffmpeg', '-v', 'error', '-f', 'lavfi', '-i', 'nullsrc=size=320x180:rate=25,geq=random(1)*255:128:128', '-t', '20', '-c:v', 'libx264', '-preset',
                    'ultrafast', '-b:v', '6M', str(share / 'part.mkv')], check=True)
    listing = tmp_path / 'list.txt'
    listing.write_text(f"file '{share / 'part.mkv'}'\n" * 90)
    subprocess.run(['ffmpeg', '-v', 'error', '-f', 'concat', '-safe', '0', '-i', str(listing), '-c', 'copy', str(share / 'noise.mkv')], check=True)
    for number, (name, components) in enumerate({'alpha': ['source.video'], 'bravo': ['video.overlay'], 'charlie': ['video.vp8', 'mux.webm']}.items(), 1):
        overlay.add(name, f'127.0.0.{number}', components=components, **({'share': str(share)} if name == 'alpha' else {}))
    overlay.start()
    portal = overlay['charlie']
    accepted = portal.request('POST', '/v1/services', f"source: millrace://{overlay['alpha'].id}/noise.mkv\nvideo: {{codec: vp8, bitrate: 8M, overlay: {{text: x}}}}\n"
                              'audio: none\npacing: max\ndelivery: webm\n')
    client = subprocess.Popen(['curl', '-sS', '--limit-rate', '50k', '-o', str(tmp_path / 'out.webm'), f"{portal.url}{accepted['outputs'][0]['url']}"])
    yield overlay, accepted['id']
    client.kill()
    client.wait()
    portal.request('DELETE', f"/v1/services/{accepted['id']}")


def test_a_slow_client_of_a_half_hours_stream_at_full_speed_fills_no_nodes_memory(stream):
    overlay, identifier = stream
    portal = overlay['charlie']
    sent = lambda: {(s['node'], s['stream_key']): s['packets'] for s in portal.get(f'/v1/services/{identifier}')['sockets'] if s['direction'] == 'out'}
    last, since = {}, time.monotonic()

    def at_rest():
        """The windows are full, down to the reader: what is sent has all but stopped, for five seconds."""
        nonlocal last, since
        now = sent()
        if sum(now.values()) > sum(last.values()) + 40 or not now:
            last, since = now, time.monotonic()
        return time.monotonic() - since > 5 and now
    packets = wait_for(at_rest, 90, 'the client holds the whole chain back', every=0.5)
    # Well before the end: 90 × 20 s at 25 a second are 45,000 frames.
    assert 100 < max(packets.values()) < 20_000, packets
    for peer in overlay.peers.values():
        node = resident(peer.process.pid)
        assert node < 192 * MEBIBYTE, f'{peer.name} holds {node >> 20} MiB'
        for worker in peer.workers():
            assert resident(worker) < 256 * MEBIBYTE, f'a worker of {peer.name} holds {resident(worker) >> 20} MiB'
