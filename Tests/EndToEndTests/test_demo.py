"""The demo itself, as Tools/demo runs it once built."""
import json, subprocess, sys

from overlay import ROOT


def demo(*words):
    done = subprocess.run([sys.executable, ROOT / 'Tools' / 'harness' / 'demo.py', '--json', *words], capture_output=True, text=True, timeout=300)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


def test_the_demo_passes_within_a_minute():
    code, report, said = demo()
    assert report['failures'] == [] and code == 0, said
    assert report['frames_received'] == report['frames_expected'] > 0 and report['frames_doubled'] == 0
    assert report['second_request']['new_stages'] == 0 and report['mandate_valid']
    assert report['seconds'] < 60
