"""Make the bundled model: `python -m training --data ../shared/data --out bot/analysis/model`."""

from __future__ import annotations

import argparse
from pathlib import Path

from training import fit


def main() -> None:
    """Train, calibrate, export."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--out", type=Path, help="where the shipped files go; without it nothing is exported")
    parser.add_argument("--work", type=Path, required=True, help="checkpoints, to be resumed from, and scores")
    parser.add_argument("--settings", type=Path, default=Path(__file__).parent / "settings.toml")
    parser.add_argument("--warm-start", type=Path, help="a network.pt to go on from, in place of MiniLM")
    parser.add_argument("--version", default="1.0", help="of the model, as stored with every reading")
    arguments = parser.parse_args()
    trained = fit.main(arguments.data, arguments.settings, arguments.work, arguments.warm_start)
    if arguments.out is not None:
        from training import export

        export.main(trained, arguments.out, name="roomtone-mini", version=arguments.version)


if __name__ == "__main__":
    main()
