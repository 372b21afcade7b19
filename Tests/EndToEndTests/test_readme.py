"""The README as someone follows it who has never heard of this: every command of its shell blocks is run here, or by CI as named here."""
import json, os, re, shlex, signal, subprocess

import pytest
from overlay import BUILD, MILLRACE, ROOT, wait_for

README = (ROOT / 'README.md').read_text()


def commands(text):
    """The lines of all shell blocks, comments taken off."""
    lines = [line for block in re.findall(r'(?ms)^```sh\n(.*?)^```', text) for line in block.splitlines()]
    return [line for line in (re.sub(r'(^|\s)#.*', '', line).strip() if '#NODEID' not in line else line.strip() for line in lines) if line]


# Run elsewhere, at length: by what, and where that can be read.
ELSEWHERE = {
    'Tools/demo': (ROOT / 'Tests' / 'EndToEndTests' / 'test_demo.py', 'Tools'),
    'Tools/test': (ROOT / '.ci' / 'run', 'exec Tools/test'),
    'swift build -c release': (ROOT / 'Tools' / 'test', 'swift build'),
}


@pytest.fixture(scope='module')
def newcomer(five, media, tmp_path_factory):
    """A folder as a reader has it, a service that runs, and what the README's placeholders stand for."""
    folder = tmp_path_factory.mktemp('reader')
    for part in ('Bootstrap', 'Tools'):
        (folder / part).symlink_to(ROOT / part)
    for name in ('alpha', 'bravo'):
        (folder / f'{name}.jsonl').symlink_to(five[name].folder / 'trace.jsonl')
    (folder / 'talk.mkv').symlink_to(media / 'talk.mkv')
    (folder / 'request.yaml').write_text(f"source: millrace://{five['alpha'].id}/short.mkv\npacing: max\ncaptions: none\ndelivery: webm\n")
    (folder / 'roster.txt').write_text('\n'.join(peer.id for peer in five.peers.values()))
    portal = five['bravo']
    service = portal.request('POST', '/v1/services', f"source: millrace://{five['alpha'].id}/long.mkv\nvideo: {{height: 120}}\naudio: none\ncaptions: none\n")['id']
    (folder / 'evidence.json').write_text(json.dumps(portal.get(f'/v1/elections/{service}')))
    yield five, folder, service
    portal.request('DELETE', f'/v1/services/{service}')


def as_here(command, five, service):
    """With this machine's addresses and programs in place of the README's."""
    told = command.replace('http://127.0.0.1:8400', five['bravo'].url)
    # Ten thousand peers take minutes in a release build: here it is the command that is tried.
    told = told.replace('--nodes 10000 --view 64', '--nodes 100 --view 64 --minutes 1')
    told = told.replace('HOST:PORT#NODEID', five['alpha'].address).replace('127.0.0.1:7400', '127.0.0.9:7400')
    return re.sub(r'^millrace ', f'{MILLRACE} ', re.sub(r'\bID\b', service, told))


@pytest.mark.parametrize('command', commands(README))
def test_every_command_of_the_readme_works(newcomer, command):
    five, folder, service = newcomer
    if command in ELSEWHERE:
        where, what = ELSEWHERE[command]
        assert what in where.read_text()
        if command.startswith('Tools/'):
            assert os.access(ROOT / command, os.X_OK)
        return
    if command.startswith('export PATH='):
        assert '.build/release' in command, 'where the build before it puts the programs'
        return
    told = as_here(command, five, service)
    if ' node ' in told:
        return joins(told + ' --portal 127.0.0.9:8400', folder, five)
    # The tools of the lab make their Python the first time.
    path = f"{BUILD}:{os.environ['PATH']}"
    done = subprocess.run(shlex.split(told), cwd=folder, capture_output=True, text=True, timeout=90 if told[0] != 'T' else 600, env={**os.environ, 'PATH': path})
    assert done.returncode == 0, f'{told}\n{done.stderr}{done.stdout}'
    assert done.stdout or '--record' in told
    if '--record' in told:
        assert (folder / 'out.webm').stat().st_size > 10_000
    if told.startswith('curl'):
        five['bravo'].request('DELETE', f"/v1/services/{json.loads(done.stdout)['id']}")


def joins(told, folder, five):
    """A peer that runs on: it is one of six, then leaves in good order."""
    process = subprocess.Popen(shlex.split(told) + ['--overlay', 'test'], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for(lambda: len(five['bravo'].alive_members()) == 6, 40, 'the newcomer is a member')
    finally:
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=20)[0]
    assert process.returncode == 0 and 'leaving' in said, said
    wait_for(lambda: len(five['bravo'].alive_members()) == 5, 20, 'and has left')


def test_files_and_functions_that_the_readme_names_are_there():
    for path in re.findall(r'`((?:Sources|Bootstrap|Tests|Tools)/[\w./+-]*)`', README):
        assert (ROOT / path).exists(), path
    for function, path in re.findall(r'`(?:\w+\.)*(\w+)` \(`(Sources/[\w./+-]*)`\)', README):
        text = (ROOT / path).read_text() if (ROOT / path).is_file() else '\n'.join(p.read_text() for p in (ROOT / path).rglob('*.swift'))
        assert re.search(rf'\b(?:func|struct|enum|class|actor) {function}\b|\b{function}\b', text), f'{function} in {path}'


def test_canary_a_command_without_a_way_to_run_it_would_be_run():
    assert commands('text\n```sh\nfrobnicate now  # why\n```\n') == ['frobnicate now']
    assert 'frobnicate now' not in ELSEWHERE
