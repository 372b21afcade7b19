"""The demo itself, as Tools/demo runs it once built."""
import json, os, pathlib, signal, subprocess, sys, urllib.request

import pytest
from conftest import hear_interrupts
from media import write_variable_rate
from overlay import ROOT, wait_for

DEMO = [sys.executable, ROOT / 'Tools' / 'harness' / 'demo.py', '--json']


def demo(results, *words):
    done = subprocess.run([*DEMO, '--results', results, *words], capture_output=True, text=True, timeout=300)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


def marked(mark):
    """What processes were started, however indirectly, with this in their environment, by their ids."""
    found = {}
    for folder in pathlib.Path('/proc').glob('[0-9]*'):
        try:
            if mark.encode() in (folder / 'environ').read_bytes() and 'State:\tZ' not in (folder / 'status').read_text():
                found[int(folder.name)] = (folder / 'cmdline').read_bytes().replace(b'\0', b' ').decode()
        except OSError:
            continue
    return found


def test_the_demo_passes_within_a_minute(tmp_path):
    code, report, said = demo(tmp_path / 'results')
    assert report['failures'] == [] and code == 0, said
    assert report['passed'] is True
    assert report['frames_received'] == report['frames_expected'] == 350 and report['frames_doubled'] == 0
    assert report['second_request']['new_stages'] == 0 and report['mandate_valid']
    assert report['second_request']['workers_after'] <= report['second_request']['workers_before']
    assert report['seconds'] < 60
    # The report points at what stays when the overlay is gone.
    assert report['hops'] == 3 and len(report['peers']) == 5 and len(report['electorate']) == 5 and report['votes'] >= 4
    output = report['output']
    for path in (output['path'], output['text']['path'], report['evidence'], report['roster']):
        assert pathlib.Path(path).stat().st_size > 0
    assert output['video'] == {'codec': 'vp8', 'width': 480, 'height': 270, 'frames': 350}
    assert (output['audio']['codec'], output['audio']['rate'], output['audio']['channels']) == ('opus', 48000, 2)
    assert output['text']['cues'] == output['text']['burned'] == 6
    assert json.loads((tmp_path / 'results' / 'report.json').read_text())['passed'] is True


def test_a_source_of_odd_size_and_changing_rate_without_sound_or_captions_longer_than_an_hour(tmp_path):
    source = write_variable_rate(tmp_path / 'screen recording.mkv', tmp_path, parts=((30, 10), (12, 8), ('1/2', 3700)), size='321:241')
    code, report, said = demo(tmp_path / 'results', '--source', source, '--seconds', '10')
    assert report['failures'] == [] and code == 0, said
    assert report['source_seconds'] > 3600 and report['part_seconds'] == 10
    assert report['frames_received'] == report['frames_expected'] >= 60
    assert report['audio_seconds'] == 0 and report['captions'] is None
    assert report['output']['audio'] is None and report['output']['text'] is None
    assert report['second_request']['new_stages'] == 0


@pytest.mark.parametrize('how, code', [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_whoever_interrupts_the_demo_ends_all_of_it(tmp_path, how, code):
    mark = f'DEMO_MARK={tmp_path}'
    process = subprocess.Popen([*DEMO, '--results', tmp_path / 'results'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
                               env=os.environ | {'DEMO_MARK': str(tmp_path)}, preexec_fn=hear_interrupts)
    try:
        # Five peers with their workers, at least.
        wait_for(lambda: len(marked(mark)) > 10, 60, 'peers and workers run')
        process.send_signal(how)
        assert process.wait(60) == code, process.stderr.read()
        assert marked(mark) == {}
    finally:
        for pid in marked(mark):
            os.kill(pid, signal.SIGKILL)


def test_kept_the_overlay_plays_on(tmp_path):
    code, report, said = demo(tmp_path / 'results', '--keep')
    pids = report.get('pids', [])
    try:
        assert code == 0, said
        for shown in (report['play'], report['page']):
            assert shown in said
        with urllib.request.urlopen(report['page'], timeout=10) as page:
            assert b'<title>' in page.read()
        # What was printed plays: a player that looks away after two seconds is served all the same.
        played = subprocess.run(['ffmpeg', '-v', 'error', '-i', report['play'], '-t', '2', '-f', 'null', '-'], capture_output=True, text=True, timeout=60)
        assert played.returncode == 0, played.stderr
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not [pid for pid in pids if pathlib.Path(f'/proc/{pid}').exists()], 30, 'the printed command ends all peers')
