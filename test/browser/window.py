# SPDX-License-Identifier: Apache-2.0
"""Browser: one window of headless Chromium with a profile of its own, driven by Selenium.

What it is: opening, clicking, asking the page, pictures, what the console said.
What it is not: the tests, nor the servers (the scenario lab).
"""

from __future__ import annotations

import base64
import re
import shutil
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

SHOTS = Path(__file__).resolve().parents[2] / "build" / "test" / "browser"

ARGUMENTS = """--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run
--disable-background-networking --disable-component-update --disable-sync --disable-extensions
--disable-dev-shm-usage --hide-scrollbars --force-device-scale-factor=1""".split()


class Browser:
    """One window.  `page()` opens a path of an httpd; `shot()` keeps a picture."""

    def __init__(self, profile: str) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or shutil.which("chromium-browser")
        for argument in [*ARGUMENTS, f"--user-data-dir={profile}"]:
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service(shutil.which("chromedriver")),
                                       options=options)
        self.driver.set_script_timeout(20)
        self.said: list[str] = []

    def size(self, width: int, height: int = 1000, phone: bool = False) -> None:
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 2 if phone else 1,
            "mobile": phone})

    def dark(self, yes: bool = True) -> None:
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": "dark" if yes else "light"}]})

    def page(self, web, path: str = "/balancer-manager") -> None:
        self.driver.get(f"http://127.0.0.1:{web.port}{path}")

    def run(self, script: str, *args):
        return self.driver.execute_script(f"return {script}", *args)

    def text(self, selector: str) -> str:
        return self.run("document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def click(self, selector: str) -> None:
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def looks(self) -> int:
        return int(self.run("document.documentElement.dataset.lbxLooks ?? 0"))

    def shot(self, name: str) -> Path:
        """The whole page, as high as it is."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        told = self.driver.execute_cdp_cmd("Page.captureScreenshot",
                                           {"captureBeyondViewport": True})
        path = SHOTS / f"{name}.png"
        path.write_bytes(base64.b64decode(told["data"]))
        return path

    def complaints(self, allowed: str = "(?!)") -> list[str]:
        self.said += [f"{e['level']} {e['message']}" for e in self.driver.get_log("browser")]
        return [line for line in self.said if not re.search(allowed, line)]
