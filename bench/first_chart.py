"""How soon a page can be read, and its first chart be seen: `python -m bench.first_chart`.

The pages of a release (`EQM_HOME`, or `--site` for a rendered site elsewhere) in Debian's Chromium
on a processor slowed to a quarter, nothing kept from before: each of five runs has a context
of its own. Files come from the disk, so no network is in it. Seconds are medians, from the start of
the navigation to the first words on the screen, to the first frame that shows a chart, and to the
last chart drawn; rows are the charts of the page, memory is what its scripts hold at the end.
"""

import argparse
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Browser

from bench.measure import Measure, report
from dashboards import chromium
from pipelines.settings import Settings

RUNS, SLOWER = 5, 4
PAGES = ("pass-rates.html", "plan.html", "classrooms.html", "training.html")
MOMENTS = ("first words", "first chart", "last chart")
WATCH = """
window.moments = {};
new PerformanceObserver(list => list.getEntries().forEach(entry => {
    if (entry.name !== "first-contentful-paint") { return; }
    window.moments["first words"] = entry.startTime;
})).observe({ type: "paint", buffered: true });
const watcher = new MutationObserver(() => {
    if (document.querySelector("[data-figure] .main-svg .trace") && !window.seen) {
        window.seen = true;
        requestAnimationFrame(() => setTimeout(() => {
            window.moments["first chart"] = performance.now();
        }, 0));
    }
    if (document.documentElement.dataset.drawn) {
        window.moments["last chart"] = performance.now();
        watcher.disconnect();
    }
});
watcher.observe(document, { attributes: true, childList: true, subtree: true });
"""


def opened(browser: Browser, address: str) -> dict[str, Any]:
    """One cold opening: the moments in seconds, the number of charts, megabytes of scripts."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    page.add_init_script(WATCH)
    page.goto(address)
    page.wait_for_function(
        "window.moments['first chart'] && window.moments['last chart']", timeout=120_000
    )
    told = {name: page.evaluate("name => window.moments[name]", name) / 1000 for name in MOMENTS}
    told["charts"] = page.locator("[data-drawn][data-figure]").count()
    told["mb"] = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
    context.close()
    return told


def main() -> None:
    """Measure, print, write `bench/results/first_chart.json`."""
    parser = argparse.ArgumentParser(description="Measure how soon pages show their first chart.")
    parser.add_argument("--site", type=Path, help="A rendered site; without it that of EQM_HOME.")
    site: Path = parser.parse_args().site or Settings.load().current.resolve() / "site"
    groups = []
    with chromium.opened() as browser:
        for place in PAGES:
            runs = [opened(browser, (site / place).as_uri()) for _ in range(RUNS)]
            charts, mb = runs[0]["charts"], max(run["mb"] for run in runs)
            for name in MOMENTS:
                seconds = median(run[name] for run in runs)
                groups.append(
                    [
                        Measure(
                            f"{place}, {name}",
                            charts,
                            round(seconds, 3),
                            round(charts / seconds),
                            round(mb, 1),
                        )
                    ]
                )
        version = browser.version
        browser.close()
    size = {"pages": len(PAGES), "runs": RUNS, "slower": SLOWER, "chromium": version}
    report("first_chart", size, groups)


if __name__ == "__main__":
    main()
