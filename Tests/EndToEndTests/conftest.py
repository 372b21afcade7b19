"""Real peers as processes, real media, real players. Every wait is for a condition with a deadline."""
import pathlib, signal, sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / 'Tools' / 'harness'))
from overlay import Overlay, make_source  # noqa: E402


def hear_interrupts():
    """In a child before it begins: a shell has what it runs in the background ignore them, tests and their children included."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


# Who offers what, so that a chain crosses three nodes, each with an understudy but the one that reads.
PREPARERS = ['video.fps', 'video.scale', 'audio.resample', 'text.shift']
FINISHERS = ['video.overlay', 'video.burn', 'video.vp8', 'audio.opus', 'mux.webm']
SPLIT = {'alpha': ['source.video', 'source.audio', 'source.text'], 'bravo': PREPARERS, 'charlie': PREPARERS, 'delta': FINISHERS, 'echo': FINISHERS}


@pytest.fixture(scope='session')
def media(tmp_path_factory):
    """A share with sources of every kind that the tests ask for, made once."""
    share = tmp_path_factory.mktemp('share')
    make_source(share / 'talk.mkv', seconds=12)
    make_source(share / 'long.mkv', seconds=40)
    make_source(share / 'sound.mkv', seconds=24)
    make_source(share / 'short.mkv', seconds=4)
    make_source(share / 'silent.mkv', seconds=6, audio=False, captions=False)
    make_source(share / 'odd.mkv', seconds=4, size='321x241', extra=('-c:v', 'ffv1', '-pix_fmt', 'yuv444p'))
    (share / 'broken.mkv').write_bytes((share / 'talk.mkv').read_bytes()[:150_000])
    (share / 'stump.mkv').write_bytes((share / 'talk.mkv').read_bytes()[:200])
    (share / 'noise.mkv').write_bytes(bytes(range(256)) * 200)
    return share


@pytest.fixture
def overlay():
    with Overlay() as made:
        yield made


@pytest.fixture(scope='module')
def five(media):
    """Five peers that can do everything; the first shares the sources. Tests that kill take `overlay` instead."""
    with Overlay() as made:
        for number, name in enumerate(('alpha', 'bravo', 'charlie', 'delta', 'echo'), 1):
            made.add(name, f'127.0.0.{number}', slots=12, trace='trace.jsonl', **({'share': str(media)} if number == 1 else {}))
        yield made.start()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the end of each peer's log."""
    outcome = yield
    report = outcome.get_result()
    if report.when == 'call' and report.failed:
        for fixture in ('overlay', 'five', 'split'):
            made = item.funcargs.get(fixture)
            for peer in made.peers.values() if made else ():
                report.sections.append((f'log of {peer.name} {peer.id[:8]}', peer.tail(2500)))
