"""labelloop: the loop between experts who label text and the model that learns from them."""

import os

__version__ = "0.1.0"

# Read by OpenMP when torch is first loaded, hence set here. By default its idle threads spin, which makes processes
# that share cores, such as a training beside a server, 10 to 20 times slower than they need be. To sleep at once has a
# price as well: a training step wakes them a thousand times, and takes a quarter longer. GNU's OpenMP, which torch
# brings along, therefore has them spin for some microseconds first, which is bearable where processes share cores.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
# Read when onnxruntime is loaded, by whatever loads it: without it, onnxruntime reports every model that it computes to
# its makers, and leaves an identifier of the machine in the user's cache.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
