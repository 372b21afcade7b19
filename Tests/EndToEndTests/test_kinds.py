"""R4: video, audio, multimedia with captions, text: each a request file that ships, served end to end."""
import json, re, shutil, subprocess, time

import pytest
from media import burned, cues, packet_times, probe, source_cues
from overlay import MILLRACE, ROOT, wait_for

REQUESTS = ROOT / 'Bootstrap' / 'requests'


def ask(overlay, name, folder, portal='charlie', output=None, extra=()):
    """Runs `millrace request` on a shipped file; the recording and what the command says."""
    document = folder / f'{name}.yaml'
    text = (REQUESTS / f'{name}.yaml').read_text().replace('NODE', overlay['alpha'].id)
    document.write_text(text + ('' if 'pacing' in text else 'pacing: max\n'))
    recorded = folder / f'{name}.{output or "media"}.out'
    done = subprocess.run([MILLRACE, 'request', document, '--peer', overlay[portal].url, '--record', recorded, '--json', *extra],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr + done.stdout
    return recorded, json.loads(done.stdout)


def packets(path, kind):
    return packet_times(path, kind)


def test_video_only(five, tmp_path):
    recorded, _ = ask(five, 'video', tmp_path)
    found = probe(recorded)
    assert [s['codec_name'] for s in found['streams']] == ['h264']
    assert (found['streams'][0]['width'], found['streams'][0]['height']) == (640, 360)
    times = packets(recorded, 'v')
    assert len(times) == 12 * 30 and times == sorted(set(times))


def test_audio_only(five, tmp_path):
    recorded, _ = ask(five, 'audio', tmp_path)
    stream, = probe(recorded)['streams']
    assert (stream['codec_name'], stream['channels'], stream['sample_rate']) == ('opus', 1, '48000')
    decoded = subprocess.run(['ffmpeg', '-v', 'error', '-i', recorded, '-f', 's16le', '-'], check=True, capture_output=True).stdout
    assert abs(len(decoded) / 2 / 48_000 - 12) < 0.1


def test_multimedia_with_captions(five, media, tmp_path):
    recorded, said = ask(five, 'multimedia', tmp_path)
    streams = {s['codec_type']: s for s in probe(recorded)['streams']}
    assert streams['video']['codec_name'] == 'vp8' and streams['audio']['codec_name'] == 'opus'
    assert len(packets(recorded, 'v')) == 12 * 25
    assert abs(len(packets(recorded, 'a')) * 0.02 - 12) < 0.1
    # Burned in: letters stand in the lower third while a caption is shown, and none between captions.
    shown, between = burned(recorded, media / 'talk.mkv', (640, 360), 25, 12)
    assert len(shown) == 5 and all(share > 0.0004 for _, share in shown), shown
    assert len(between) == 4 and all(share < 0.0002 for _, share in between), between
    view = five['charlie'].get(f"/v1/services/{said['service']}")
    assert {o['name'] for o in view['outputs']} >= {'main', 'captions'}


def test_text_only(five, tmp_path):
    recorded, _ = ask(five, 'text', tmp_path)
    text = recorded.read_text()
    assert text.startswith('WEBVTT')
    # The source's own captions begin a few milliseconds late, as its muxer made room for the sound's priming.
    assert re.search(r'00:01\.5[0-4]\d --> 00:00:02\.5[0-4]\d', text), text[:400]
    assert [line for line in text.splitlines() if line.startswith('Caption')] == [f'Caption {i}' for i in range(1, 6)]
    parsed = subprocess.run(['ffprobe', '-v', 'error', '-f', 'webvtt', '-show_entries', 'stream=codec_name', '-of', 'csv=p=0', recorded],
                            check=True, capture_output=True, text=True)
    assert parsed.stdout.strip() == 'webvtt'


@pytest.mark.parametrize('file, frames', [('silent.mkv', 180), ('odd.mkv', 120)])
def test_sources_without_sound_or_captions_or_of_odd_size(five, tmp_path, file, frames):
    document = tmp_path / 'request.yaml'
    document.write_text(f"source: millrace://{five['alpha'].id}/{file}\npacing: max\ndelivery: webm\n")
    recorded = tmp_path / 'out.webm'
    subprocess.run([MILLRACE, 'request', document, '--peer', five['bravo'].url, '--record', recorded], check=True, timeout=120)
    assert len(packets(recorded, 'v')) == frames


def test_a_third_player_plays_it(five, tmp_path):
    """GStreamer decodes what ffprobe does not only parse."""
    recorded, _ = ask(five, 'multimedia', tmp_path)
    done = subprocess.run(['gst-launch-1.0', '-q', 'filesrc', f'location={recorded}', '!', 'matroskademux', '!', 'vp8dec', '!', 'fakesink'],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
