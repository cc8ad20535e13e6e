"""``bsrnn compare``: one thing changed, both trained on the same items, their scores held against each other."""

import argparse

from bsrnn.runtime import preflight, terminal
from bsrnn.runtime.paths import place
from bsrnn.study import profiles
from bsrnn.tool.options import whole

EXAMPLES = """example: bsrnn compare --set model.band_split=v1 --target vocals --seeds 3
         bsrnn compare --set separate.hop_seconds=0.75 --profile small  (trains nothing: the weights are there)"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options, but for --device and --out."""
    add = command.add_argument
    add("--set", action="append", required=True, metavar="NAME=VALUE",
        help="the change: any setting of model, train, loss, mixing, activity, separate, validate, or the number of "
             "training songs; may be repeated, all are changed together (names: bsrnn/config.py)")  # fmt: skip
    add("--target", default="vocals", help="stem to separate (default: vocals)")
    add("--data", type=place, help="folder of songs; default: the profile's own data set")
    add("--seeds", type=whole(1, 100), default=1,
        help="trainings of each side, with the seeds 0, 1, ...; from three on the interval is over seeds, too "
             "(default: 1)")  # fmt: skip
    add("--jobs", "-j", type=whole(1, 1024), default=1,
        help="trainings at a time; each takes its own memory (default: 1)")  # fmt: skip
    add("--threads", type=whole(1, 1024), help="CPU threads of each (default: 1)")


def run(options) -> None:
    """Plan, check, compute what is missing, print and write."""
    from bsrnn.report import comparison as report
    from bsrnn.study import comparison, needs

    profile = profiles.profile(options.profile)
    if options.data:
        profile = profile.with_songs(options.data)
    with preflight.all_at_once() as check:
        check(preflight.device, options.device)
        check(preflight.place, options.out)
        plan = check(comparison.plan, profile, options.set, options.target, options.seeds, options.out)
        for missing in plan.missing() if plan else ():
            if missing.kind == "train":
                check(needs.run, missing, options.device)
    assert plan, "all_at_once raises what a check has found"
    say_what_is_to_be_done(plan)
    comparison.carry_out(plan, options.device, options.threads, options.jobs)
    done = report.compared(plan)
    print(f"{plan.words} against the base: {plan.target}, profile {profile.name}, uSDR in dB")
    print(report.table(done).to_string(index=False, float_format="{:.2f}".format, na_rep="-"))
    print(done.sentence)
    if done.spread:
        print(f"(spread between seeds: from {done.spread.words})")
    print(*report.write(done), sep="\n")


def say_what_is_to_be_done(plan) -> None:
    """One line: what is trained, what is only scored, or that all of it is there."""
    trained, missing = [run.id for run in plan.trainings()], [run.id for run in plan.missing()]
    scored = [name for name in missing if name not in trained]
    parts = [f"to train: {', '.join(trained)}"] * bool(trained) + [f"to score: {', '.join(scored)}"] * bool(scored)
    terminal.say("bsrnn compare", "; ".join(parts) or "all results are there, nothing is trained or scored")
