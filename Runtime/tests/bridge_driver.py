"""A context process as the runtime makes it: receives the `context` frame on its channel and becomes a bridge."""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import frames

if __name__ == "__main__":
    channel = frames.Channel(int(sys.argv[1]))
    opening, descriptors = channel.receive()
    import jupyter_bridge
    import jupyter_kernel

    if len(sys.argv) > 2:
        jupyter_kernel.PLACES = [sys.argv[2]]
    jupyter_bridge.serve(channel, opening, descriptors)
