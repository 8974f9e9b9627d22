"""The benchmarks that need nothing but Roomtone, one after the other: `make bench`."""

import subprocess
import sys

for name in ("speed", "storing", "large_import"):
    subprocess.run([sys.executable, "-m", f"bench.{name}"], check=True)
