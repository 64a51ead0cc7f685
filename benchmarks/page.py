"""From a keystroke to the picture on the page: `python benchmarks/page.py [NETWORK] [KEYS]`.

A server and Debian's Chromium; every key makes a stage a block longer or shorter again, so that the
figure changes. The clock is the browser's: from the key to the frame that shows the new figure.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from archdsl.language import gallery

WATCH = """
() => {
  window.times = [];
  let pressed = 0;
  document.addEventListener('keydown', () => { pressed = performance.now(); }, true);
  new MutationObserver(() => {
    if (!pressed) return;
    const since = pressed;
    pressed = 0;
    requestAnimationFrame(() => requestAnimationFrame(
      () => window.times.push(performance.now() - since)));
  }).observe(document.querySelector('.figure'), {childList: true, subtree: true});
}
"""


def measure(name: str, keys: int) -> list[float]:
    """Milliseconds, one for each key."""
    text = Path(gallery.path(name)).read_text("utf-8").partition("\nexpect:")[0] + "\n"
    before, depths, after = text.partition("depths: [")
    assert depths, "a network with `depths`"
    with TemporaryDirectory() as folder, sync_playwright() as started:
        spec = Path(folder) / f"{name}.yaml"
        spec.write_text(f"{before}{depths}{after}", "utf-8")
        command = [sys.executable, "-m", "archdsl", "serve", str(spec), "--no-show"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        try:
            address = server.stdout.readline().strip()
            browser = started.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            page = browser.new_page(viewport={"width": 1500, "height": 900})
            page.set_default_timeout(120_000)
            for _ in range(40):
                try:
                    page.goto(address)
                    break
                except Exception:
                    page.wait_for_timeout(500)
            page.wait_for_selector(".figure svg")
            page.wait_for_timeout(4000)
            line = before.count("\n") + 1
            page.click(f".cm-line:nth-of-type({line})")
            page.keyboard.press("End")
            for _ in after.partition("\n")[0]:
                page.keyboard.press("ArrowLeft")
            page.evaluate(WATCH)
            for n in range(keys):
                page.keyboard.press("1" if n % 2 == 0 else "Backspace")
                page.wait_for_function("(n) => window.times.length > n", arg=n)
                page.wait_for_timeout(150)
            times: list[float] = page.evaluate("window.times")
            browser.close()
        finally:
            server.terminate()
    return times


if __name__ == "__main__":
    name = sys.argv[1] if len(sys.argv) > 1 else "resnet50"
    found = measure(name, int(sys.argv[2]) if len(sys.argv) > 2 else 60)
    cuts = quantiles(found, n=20)
    print(f"{name}: {len(found)} keys, p50 {cuts[9]:.0f} ms, p95 {cuts[18]:.0f} ms")
