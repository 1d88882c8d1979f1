"""The process of the simulated chargers: ends when its parent does, however that ends.

Started with a pipe as standard input that the parent keeps open; its end is the parent's end.
"""

from __future__ import annotations

import os
import runpy
import signal
import threading


def end_with_parent() -> None:
    """Wait for the end of standard input, then end this process; the hard way if it takes long."""
    # Not sys.stdin: at a normal end the interpreter would wait for its lock, which this read holds.
    while os.read(0, 4096):
        pass
    hard = threading.Timer(5, os._exit, [1])
    hard.daemon = True
    hard.start()
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()
    runpy.run_module("ocpp_gateway.simulator", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
