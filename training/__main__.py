"""Make the bundled model: `python -m training --data ../shared/data --work WORK --out bot/analysis/model`.

Where the checkpoints of earlier stages weren't kept, `--start bot/analysis/model --only NAME ...` runs some stages
from what is shipped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from training import export, fit, teaching


def main() -> None:
    """Train stage after stage, calibrate, export. Run again, it goes on where it was."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--work", type=Path, required=True, help="checkpoints, networks and scores, a folder a stage")
    parser.add_argument("--out", type=Path, help="where the shipped files go; without it nothing is exported")
    parser.add_argument("--stages", type=Path, default=Path(__file__).parent / "stages.toml")
    parser.add_argument("--start", type=Path, help="shipped files or a network.pt that the first stage goes on from")
    parser.add_argument("--only", nargs="+", metavar="STAGE", help="the stages to run, in their order in the file")
    arguments = parser.parse_args()
    trained: fit.Fit | None = None
    before: Path | None = arguments.start
    opinions: Path | None = None
    stages = fit.read_stages(arguments.stages)
    wanted = arguments.only or [stage["name"] for stage in stages]
    if unknown := set(wanted) - {stage["name"] for stage in stages}:
        parser.error(f"no stage is called {', '.join(sorted(unknown))}")
    last = [stage for stage in stages if stage["name"] in wanted][-1]
    if arguments.out is not None and last["version"] is None:
        parser.error(f"stage {last['name']} makes no version of the model; leave --out out, or name one that does")
    for stage in stages:
        work = arguments.work / stage["name"]
        counts = stage["teaches"] | stage["teaches_mood"]
        if counts:
            opinions = work / "opinions.npz"
            if opinions.exists():
                continue
            if stage["name"] not in wanted:
                opinions = None
                continue
            after = arguments.work / stage["run"]["after"] / "network.pt" if "after" in stage["run"] else None
            if after is not None and not after.exists():
                parser.error(f"stage {stage['name']} goes on from {after}, which isn't there")
            teacher = fit.main(arguments.data, stage, work, after)
            teaching.teach(teacher, arguments.data, counts, opinions, of_mood=[*stage["teaches_mood"]])
            continue
        if stage["name"] not in wanted:
            if arguments.start is None and (work / "network.pt").exists():
                before = work / "network.pt"
            continue
        if teaching.TAUGHT in stage["data"]["repeats"] and opinions is None:
            parser.error(f"stage {stage['name']} learns from a teacher, and none has said anything yet")
        trained = fit.main(arguments.data, stage, work, before, opinions)
        before = work / "network.pt"
    if arguments.out is not None:
        assert trained is not None  # no teacher has a version
        export.main(trained, arguments.out, name="roomtone-mini", version=last["version"])


if __name__ == "__main__":
    main()
