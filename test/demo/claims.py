"""What the parts of the demonstration share: a line of text, a claim, a time."""

import contextlib
import time


def say(text=""):
    print(text, flush=True)


class Claims:
    "What the demonstration says, each checked."

    def __init__(self):
        self.wrong = 0

    def check(self, text, holds):
        self.wrong += not holds
        say(f"  {'ok   ' if holds else 'WRONG'} {text}")


class Timer:
    "Seconds by step."

    def __init__(self):
        self.seconds = {}

    @contextlib.contextmanager
    def step(self, name):
        start = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - start

    def total(self):
        return sum(self.seconds.values())
