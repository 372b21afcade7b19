"""A headless Chromium on a portal's page, or on any.

Needs Playwright (PyPI) and Debian's chromium; nothing leaves this machine: every name but 127.0.0.0/8 and localhost is unknown to it.
"""

import contextlib
import shutil
import sys
import tempfile

MISSING = 77  # exit status for "cannot be tried here", as automake has it


def chromium_path():
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextlib.contextmanager
def open_page(url, dark=False, width=1360, height=1500, any_page=False):
    """Yields (page, complaints): the portal's page, and what the browser had to complain about.

    The page has its peer's state then. With any_page one that is no portal's, e.g. a report's file, is there as soon as it is loaded.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("skipped: Playwright is missing (pip install playwright)", file=sys.stderr)
        sys.exit(MISSING)
    if chromium_path() is None:
        print("skipped: chromium is missing (apt install chromium)", file=sys.stderr)
        sys.exit(MISSING)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=chromium_path(), headless=True, viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            args=["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required",
                  "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.* , EXCLUDE localhost"])
        page = context.pages[0]
        complaints = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(f"{request.url}: {request.failure}")
                if "ERR_ABORTED" not in (request.failure or "") else None)
        page.goto(url)
        if not any_page or page.query_selector("#connection"):
            page.wait_for_selector("#connection.live", timeout=10_000)
        yield page, complaints
        context.close()
