"""The page in headless Chromium: it shows the overlay, takes a request, plays."""
import shutil, subprocess, sys

import pytest
from overlay import ROOT, wait_for

CHROMIUM = shutil.which('chromium')
FLAGS = ['--headless=new', '--no-sandbox', '--disable-gpu', '--autoplay-policy=no-user-gesture-required',
         '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE 127.0.0.2 , EXCLUDE 127.0.0.3']


def page_shows(peer, text):
    """The peer's page comes to show the text, where there is a browser."""
    if CHROMIUM is None:
        return
    from playwright.sync_api import sync_playwright
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.goto(peer.url + '/')
        wait_for(lambda: text in page.inner_text('body'), 20, f'the page shows “{text}”')
        browser.close()


@pytest.mark.skipif(CHROMIUM is None, reason='no chromium')
@pytest.mark.parametrize('delivery, codec', [('webm', 'vp8'), ('mp4', 'h264')])
def test_the_browser_plays_what_a_peer_delivers(five, delivery, codec):
    from playwright.sync_api import sync_playwright
    portal = five['bravo']
    body = f"source: millrace://{five['alpha'].id}/long.mkv\nvideo: {{codec: {codec}, height: 180, fps: 25}}\ndelivery: {delivery}\n"
    accepted = portal.request('POST', '/v1/services', body)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        errors = []
        page.on('pageerror', lambda error: errors.append(str(error)))
        page.goto(portal.url + '/')
        # The page's own policy forbids evaluated predicates: ask again and again instead.
        wait_for(lambda: five['charlie'].id[:8] in page.inner_text('body'), 20, 'the page shows the members')
        page.evaluate("""url => { const v = document.createElement('video'); v.id = 'probe'; v.muted = true; v.src = url; document.body.append(v); v.play(); }""",
                      accepted['outputs'][0]['url'])
        wait_for(lambda: page.evaluate("() => document.getElementById('probe').currentTime") > 1, 30, 'the video plays')
        assert not errors
        browser.close()
    portal.request('DELETE', f"/v1/services/{accepted['id']}")


@pytest.mark.skipif(CHROMIUM is None, reason='no chromium')
def test_a_picture_is_taken_of_a_portal_and_of_a_page_that_is_none(five, tmp_path):
    (tmp_path / 'report.html').write_text('<!doctype html><title>Report</title><p>A report.')
    for url in ((tmp_path / 'report.html').as_uri(), five['bravo'].url):
        picture = tmp_path / 'page.png'
        done = subprocess.run([sys.executable, ROOT / 'Tools' / 'browser' / 'screenshot', url, picture], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and picture.read_bytes()[:8] == b'\x89PNG\r\n\x1a\n', done.stderr
        picture.unlink()
