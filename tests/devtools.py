"""A page in a real Chromium that a test clicks on and types in, through its developer tools."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import subprocess
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import browser

KEYS = {
    "ArrowRight": 39,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowDown": 40,
    "Home": 36,
    "End": 35,
    "Enter": 13,
    " ": 32,
    "Tab": 9,
}
TEXTS = {"Enter": "\r", " ": " "}


class Page:
    """A tab of Chromium.

    Attributes:
        errors: what its console said of what went wrong.
    """

    def __init__(self, address: str) -> None:
        import websocket

        self._socket = websocket.create_connection(address, timeout=browser.TIMEOUT, suppress_origin=True)
        self._numbers, self.errors = itertools.count(1), []
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict:
        """Asks for something and returns the answer."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.errors.append(json.dumps(message["params"])[:300])
            if message.get("id") == number:
                assert "error" not in message, message["error"]
                return message["result"]

    def open(self, path: Path, *, width: int = 1280, script: bool = True, ready: str = "true") -> None:
        """Opens a file and waits until an expression of its script is true."""
        self.call("Emulation.setScriptExecutionDisabled", value=not script)
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.wait(f"document.readyState === 'complete' && ({ready})")

    def wait(self, expression: str) -> None:
        """Waits until an expression is true."""
        for _ in range(400):
            if self.value(f"Boolean({expression})"):
                return
            time.sleep(0.05)
        raise AssertionError(f"never true: {expression}; {self.errors}")

    def value(self, expression: str) -> Any:
        """Returns the value of an expression, a promise's once it is kept."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def click(self, selector: str, x: float = 0.5, y: float = 0.5) -> None:
        """Presses and releases the mouse on an element, at shares of its width and height."""
        self.value(f"document.querySelector({json.dumps(selector)}).scrollIntoView({{block: 'center'}})")
        box = self.value(f"document.querySelector({json.dumps(selector)}).getBoundingClientRect().toJSON()")
        place = {"x": box["left"] + x * box["width"], "y": box["top"] + y * box["height"]}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", buttons=1, clickCount=1, **place)

    def press(self, key: str, times: int = 1) -> None:
        """Presses and releases a key, where the focus is."""
        code = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        text = {"text": TEXTS[key]} if key in TEXTS else {}
        for _ in range(times):
            self.call("Input.dispatchKeyEvent", type="keyDown", **code, **text)
            self.call("Input.dispatchKeyEvent", type="keyUp", **code)

    def picture(self, png: Path, selector: str) -> None:
        """Writes a picture of an element."""
        box = self.value(
            f"(({{left, top, width, height}}) => ({{x: left + scrollX, y: top + scrollY, width, height}}))"
            f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"
        )
        answer = self.call("Page.captureScreenshot", clip={**box, "scale": 1}, captureBeyondViewport=True)
        png.write_bytes(base64.b64decode(answer["data"]))

    def close(self) -> None:
        """Closes the connection."""
        self._socket.close()


@contextlib.contextmanager
def chromium() -> Generator[Page]:
    """Starts a Chromium without a network and gives its tab."""
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        command = [browser.chromium(), *browser.FLAGS, f"--user-data-dir={profile}", "--remote-debugging-port=0"]
        process = subprocess.Popen([*command, "about:blank"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            port = _first_line(Path(profile, "DevToolsActivePort"))
            page = Page(_tab(port))
            try:
                yield page
            finally:
                page.close()
        finally:
            process.terminate()
            process.wait(browser.TIMEOUT)


def _first_line(path: Path) -> str:
    for _ in range(1200):
        if path.is_file() and (text := path.read_text(encoding="utf-8")).count("\n"):
            return text.splitlines()[0]
        time.sleep(0.05)
    raise AssertionError("Chromium did not start")


def _tab(port: str) -> str:
    from urllib.request import urlopen

    for _ in range(200):
        with urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
            tabs = [tab for tab in json.load(answer) if tab["type"] == "page"]
        if tabs:
            return tabs[0]["webSocketDebuggerUrl"]
        time.sleep(0.05)
    raise AssertionError("Chromium has no tab")
