"""The command line: ``bsrnn COMMAND --help`` shows each command with an example."""

import argparse
import sys
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

from bsrnn import config
from bsrnn.errors import ConfigError, NoSongs
from bsrnn.runtime import overrides, paths, preflight, terminal
from bsrnn.runtime.memory import share_one_arena
from bsrnn.study import profiles
from bsrnn.tool import command_options, separate_options
from bsrnn.tool.options import PROFILE_DECIDES, Parser, refuse_unused
from bsrnn.workflow import compare, curve

HELP = {
    "data": "Render or check a data set.",
    "train": "Train a model for one target; goes on with an unfinished training in --out.",
    "finetune": "Finetune a model on unlabelled music, semi-supervised.",
    "evaluate": "Score a model on a data set: JSON and a table.",
    "separate": "Songs in, stems out.",
    "compare": "Change one thing: the base and the changed system, song by song.",
    "curve": "Draw trainings against the finished runs of their kind: am I on track?",
    "import": "A published checkpoint into our format; nothing that the file names is run.",
    "verify": "Hold results against the registry and the manifest; exit code 1 if something is off.",
    "run": "Compute one run of a profile.",
    "artifacts": "Draw every figure and table of a profile and write the manifest.",
}
EPILOG = {
    "data": "example: bsrnn data --profile quick\n         bsrnn data --data my_songs --target piano",
    "train": "example: bsrnn train --target piano --data my_songs --profile quick --out models/piano",
    "finetune": "example: bsrnn finetune --target vocals --from models/vocals --data my_songs --unlabelled my_music "
    "--out models/vocals-finetuned",
    "evaluate": "example: bsrnn evaluate --model models/piano --data my_songs --out scores",
    "separate": separate_options.EXAMPLES,
    "compare": compare.EXAMPLES,
    "curve": curve.EXAMPLES,
    "import": "example: bsrnn import vocals.ckpt --out models/vocals\n"
    "         bsrnn import simo.ckpt --target vocals --target bass --target drums --target other --out models/simo",
    "verify": "example: bsrnn verify --profile small",
    "run": "example: bsrnn run vocals-s0 --profile quick",
    "artifacts": "example: bsrnn artifacts --profile quick --print",
}

RAISED = "all_at_once raises what a check has found"


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    about = "\n".join(f"  {name:12} {words}" for name, words in profiles.ABOUT.items())
    main_parser = Parser(
        "bsrnn",
        description="Music source separation with the band-split RNN.",
        epilog=f"profiles, for --profile:\n{about}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = main_parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, call, *options: command_options.Options) -> None:
        command = commands.add_parser(
            name,
            help=HELP[name],
            description=HELP[name],
            epilog=EPILOG[name],
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(call=call)
        words = f"decides {PROFILE_DECIDES[name]} (default: quick; `bsrnn --help` says what each is)"
        command.add_argument("--profile", default="quick", choices=list(profiles.PROFILES), help=words)
        for add_options in options:
            add_options(command)

    out = command_options.out
    compared = "folder of tables, figures, JSON and runs; what is there is not computed again"
    add("data", _data, command_options.data)
    add("train", _train, command_options.train, out("models/new", "folder of the model"))
    add("finetune", _finetune, command_options.finetune, out("models/finetuned", "folder of the model"))
    add("evaluate", _evaluate, command_options.evaluate, out("scores", "folder of scores.json and scores.csv"))
    add("separate", _separate, command_options.separate, out("separated", "stems go to OUT/MODEL/SONG/STEM.FORMAT"))
    add("compare", compare.run, compare.add_arguments, command_options.device, out("comparisons", compared))
    add("curve", curve.run, curve.add_arguments, out("curve.svg", "the figure: a file.svg or file.png"))
    add("import", _import, command_options.importing)
    add("verify", _verify, command_options.verify)
    add("run", _run, command_options.run)
    add("artifacts", _artifacts, command_options.artifacts)
    return main_parser


def main(arguments: list[str] | None = None) -> int:
    """Run a command; 0, or 1 with one line on standard error (argparse gives 2)."""
    share_one_arena()  # before the first threads
    with terminal.Command("bsrnn") as command:
        options = parser().parse_args(arguments)
        command.name, command.interrupted = f"bsrnn {options.command}", terminal.INTERRUPTED[options.command]
        command.code = options.call(options) or 0
    return command.code


def _profile(options) -> profiles.Profile:
    """The profile, on the user's own songs if there are any."""
    profile = profiles.profile(options.profile)
    if getattr(options, "data", None):
        profile = profile.with_songs(options.data)
    assignments = getattr(options, "set", ())
    for assignment in assignments:
        refuse_unused(options.command, assignment)
    return overrides.changed(profile, *assignments)


def _data(options) -> None:
    from bsrnn.data import songs

    profile = _profile(options)
    if profile.data.source == "embedded":
        from bsrnn.data.synthetic import ensure
        from bsrnn.study import needs

        splits = ["train", "valid", "test"]
        splits += ["unlabelled-matched"] * bool(profile.finetuned) + ["test-new"]
        needs.rendering(profile.data, splits, options.out or paths.data())
        ensure(profile.data, options.out or paths.data(), splits=splits, jobs=options.jobs)
        if options.out:
            return
    elif unused := [f"--{name}" for name in ("out", "jobs") if getattr(options, name) is not None]:
        raise ConfigError(
            f"got {' and '.join(unused)}: songs of data.source {profile.data.source!r} are read where they lie, and "
            "only embedded ones are rendered"
        )
    for split in ("train", "valid", "test") if not profile.folds else (None,):  # of folds each song is in all three
        try:
            found = songs.load(profile.data, split, targets=options.target, sample_rate=profile.model.sample_rate)
        except NoSongs as error:
            if split != "test" or not options.data:
                raise
            print(f"no test songs, so nothing to evaluate on: {error}")  # two songs are enough to train
            continue
        minutes = sum(song.frames / song.sample_rate for song in found) / 60
        print(f"{split or 'all'}: {len(found)} songs, {minutes:.1f} min, stems {', '.join(sorted(found[0].stems))}")


def _train(options) -> None:
    from bsrnn import recipes
    from bsrnn.runtime import distributed, locks
    from bsrnn.study import curves, needs

    with preflight.all_at_once() as check:
        check(preflight.device, options.device)
        profile = check(_training_profile, options)
        needs.training(check, profile, options.out)
    assert profile, RAISED
    with distributed.started(options.device) as device, locks.alone(options.out / ".lock"):
        on_track = curves.remark(profile, options.seed)
        progress = recipes.train_model(profile, options.seed, options.out, device, remark=on_track)
        if distributed.rank() > 0:
            return
    if progress["best"] is None:  # a fold has no validation songs
        print(f"no validation songs, so the last weights, of item {progress['best_items']}: {options.out}")
        return
    print(f"{_validated(profile.train, progress)} at item {progress['best_items']}: {options.out}")


def _validated(train: config.TrainConfig, progress: dict) -> str:
    """What the weights that were kept, the best or the last, score on the validation songs."""
    return f"{train.kept_weights} validation uSDR {progress['best']:.2f} dB"


def _training_profile(options) -> profiles.Profile:
    scheme = options.split or (options.target if options.target in config.TARGETS else "v7")
    if given := [assignment for assignment in options.set if assignment.startswith("model.band_split=")]:
        if options.split:
            raise ConfigError(f"got --split {options.split} and --set {given[-1]}: expected one of the two")
        scheme = given[-1].partition("=")[2]
    return overrides.with_values(_profile(options), {"model.targets": (options.target,), "model.band_split": scheme})


def _finetune(options) -> None:
    from bsrnn import checkpoint, recipes
    from bsrnn.data import songs
    from bsrnn.runtime import distributed, locks
    from bsrnn.study import needs

    with preflight.all_at_once() as check:
        check(preflight.device, options.device)
        profile, start = check(_profile, options), check(checkpoint.load, options.start)
        unlabelled: songs.Mixtures | None = songs.Mixtures([])
        if options.unlabelled != Path("none"):
            rate = start.config.sample_rate if start else config.ModelConfig().sample_rate
            unlabelled = check(songs.read_mixtures, options.unlabelled, rate)
        elif profile:
            profile = replace(profile, finetune=replace(profile.finetune, unlabelled="none"))
        profile = replace(profile, model=start.config) if profile and start else None
        needs.training(check, profile, options.out)
    assert profile and unlabelled, RAISED
    with distributed.started(options.device) as device, locks.alone(options.out / ".lock"):
        teaching = recipes.Teaching(options.target, options.start, unlabelled)
        progress = recipes.finetune_model(profile, options.seed, teaching, options.out, device)
        if distributed.rank() > 0:
            return
    _say_finetuned(progress, profile.finetune.train, options.out)


def _say_finetuned(progress: dict, train: config.TrainConfig, out: Path) -> None:
    """Which unlabelled songs were used, what the signals were, how often the teacher was replaced, and the score."""
    report = progress["unlabelled"]
    counts: Counter[str] = Counter()
    for entry in progress["history"]:
        counts.update({kind: number for kind, number in entry.get("counts", {}).items() if "/" not in kind})
    if report["songs"]:
        left_out = {name: len(report[name]) for name in ("short", "silent", "unreadable", "held_out")}
        print(
            f"unlabelled music: {report['songs']} songs used ({report['hours']:.2f} h, {report['segments']} salient "
            f"segments); left out: "
            + ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in left_out.items())
        )
        for why in report["unreadable"].values():
            print(f"  unreadable: {why}")
    if counts:  # random mixes have neither pools nor a teacher
        print("signals: " + ", ".join(f"{number} {kind.replace('_', ' ')}" for kind, number in sorted(counts.items())))
        times = terminal.counted(sum(entry["teacher_replaced"] for entry in progress["history"]), "time")
        print(f"the student replaced the teacher {times} in {terminal.counted(len(progress['history']), 'validation')}")
    before = f"the start's {progress['start_valid_usdr']:.2f} dB"
    print(f"{_validated(train, progress)}, {before}: {out}")


def _evaluate(options) -> None:
    from bsrnn import checkpoint
    from bsrnn.models.base import targets_of
    from bsrnn.study import needs, scoring
    from bsrnn.tool import chosen_models, score_files

    with preflight.all_at_once() as check:
        check(preflight.device, options.device)
        profile = check(_evaluation_profile, options)
        folders = chosen_models.each_once({str(options.model): check(chosen_models.members, options.model) or ()})
        opened = {folder: check(checkpoint.load, folder) for folder in folders}
        models = {folder: model for folder, model in opened.items() if model is not None}
        check(preflight.place, options.out, *score_files.FILES)
        check(score_files.check_free, options.out)
        together = list(models.values())
        if profile and together and len(models) == len(opened) and (rate := check(scoring.common_rate, together)):
            check(needs.data, profile.data, options.split, tuple(targets_of(together)), rate)
    assert profile and models, RAISED
    if len(models) > 1:
        print(*chosen_models.describe(models, targets_of(together)), sep="\n", file=sys.stderr)
    scores = scoring.score_model([model.to(options.device) for model in together], profile, options.split)
    conditions = {"data": asdict(profile.data), "split": options.split, "separate": asdict(profile.separate)}
    score_files.write(options.out, scores, {"model": str(options.model), "models": [*map(str, models)]} | conditions)
    print(score_files.table(scores))


def _evaluation_profile(options) -> profiles.Profile:
    profile = _profile(options)
    given = {"segment_seconds": options.segment, "hop_seconds": options.hop}
    separate = replace(profile.separate, **{name: value for name, value in given.items() if value is not None})
    return replace(profile, separate=separate)


def _separate(options) -> int:
    import torch

    from bsrnn.tool import separate

    options.device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    return separate.run(options)


def _import(options) -> None:
    from bsrnn.tool import import_replication, torch_files

    with preflight.all_at_once() as check:
        check(torch_files.read, options.file)
        check(import_replication.check_free, options.out)
        check(preflight.place, options.out)
        if options.file.is_file():
            check(preflight.room, options.out, options.file.stat().st_size / 3, "the model")  # without its moments
    model = import_replication.import_checkpoint(options.file, options.out, options.target)
    config = model.config
    print(f"{', '.join(config.targets)}: N {config.features}, {config.modules} modules, {len(model.widths)} bands, "
          f"{model.count_parameters()} parameters: {options.out}")  # fmt: skip


def _verify(options) -> int:
    from bsrnn.runtime.files import write_text
    from bsrnn.workflow.replay import replay
    from bsrnn.workflow.verify import notes, verify

    title = f"bsrnn verify --profile {options.profile}"
    if options.out:
        preflight.place(options.out.parent, options.out.name)
        preflight.ours(options.out, title)
    problems = verify(options.profile)
    replayed = replay(options.profile, options.replay)
    problems += replayed[0]
    fine = f"results/{options.profile}: every run and artifact is as the registry and the manifest say"
    lines = [*(problems or [fine]), *(f"note: {note}" for note in notes(options.profile) + replayed[1])]
    print(*lines, sep="\n")
    if options.out:
        write_text(options.out, "\n".join([f"{title}:", *lines]) + "\n")
    return 1 if problems else 0


def _run(options) -> None:
    from bsrnn.runtime import distributed
    from bsrnn.study import compute, needs, runs

    run = runs.get(options.profile, options.id)
    if options.micro_items is not None:
        names = ("train.micro_items", "finetune.train.micro_items")
        run = replace(run, profile=overrides.with_values(run.profile, dict.fromkeys(names, options.micro_items)))
    if not run.available():
        raise ConfigError(
            f"run {run.id!r} decodes a real recording and needs ffmpeg, ffprobe and stempeg on this machine"
        )
    needs.run(run, options.device)
    with distributed.started(options.device) as device:
        result = compute.compute(run, device=device, threads=options.threads)
        if not result:
            return
    seconds = result["score_seconds"]  # of older results of the guitar, nobody knows
    print(f"{run.id}: {run.result_path().relative_to(paths.root())}{'' if seconds is None else f' ({seconds} s)'}")


def _artifacts(options) -> None:
    from bsrnn.report import manifest
    from bsrnn.study import compute
    from bsrnn.study.results import Study

    if not options.print:
        study = Study(options.profile)
        with preflight.all_at_once() as check:
            check(study.require_complete)
            check(preflight.place, paths.results(options.profile), "manifest.json")
        compute.publish(options.profile)
        manifest.write_all(options.profile)
    print(manifest.result_table(options.profile))


if __name__ == "__main__":
    sys.exit(main())
