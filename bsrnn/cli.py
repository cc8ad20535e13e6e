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
from bsrnn.runtime.paths import place
from bsrnn.study import profiles
from bsrnn.tool import separate_options
from bsrnn.tool.options import PROFILE_DECIDES, Parser, device_name, refuse_unused, whole
from bsrnn.workflow import compare, curve

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

SEED = whole(0, 2**32 - 1)  # what NumPy and torch both take
RAISED = "all_at_once raises what a check has found"


def parser() -> argparse.ArgumentParser:  # noqa: PLR0915 -- a statement an option
    """The whole command line."""
    about = "\n".join(f"  {name:12} {words}" for name, words in profiles.ABOUT.items())
    main_parser = Parser(
        "bsrnn",
        description="Music source separation with the band-split RNN.",
        epilog=f"profiles, for --profile:\n{about}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = main_parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, help: str, call) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name, help=help, description=help, epilog=EPILOG[name], formatter_class=argparse.RawDescriptionHelpFormatter
        )
        command.set_defaults(call=call)
        words = f"decides {PROFILE_DECIDES[name]} (default: quick; `bsrnn --help` says what each is)"
        command.add_argument("--profile", default="quick", choices=list(profiles.PROFILES), help=words)
        return command

    def out(command, default: str, help: str):
        command.add_argument("--out", "-o", type=place, default=Path(default), help=f"{help} (default: {default})")

    def device(command):
        command.add_argument("--device", type=device_name, default="cpu", help="cpu or cuda (default: cpu)")

    def trains(command):
        command.add_argument("--data", type=place, help="folder of songs; default: the profile's own data set")
        command.add_argument("--target", default="vocals", help="stem to separate (default: vocals)")
        command.add_argument("--seed", type=SEED, default=0, help="of weights and data order (default: 0)")
        command.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="change one setting of the profile, e.g. train.max_items=2000 or finetune.train.max_items=400; "
            "may be repeated (names: bsrnn/config.py)",
        )
        device(command)

    data = add("data", "Render or check a data set.", _data)
    data.add_argument("--data", type=place, help="folder of songs to check; default: the profile's own data set")
    data.add_argument("--target", action="append", default=[], help="stem that every song must have; may be repeated")
    data.add_argument("--out", "-o", type=place, help="where rendered songs go (default: data/)")
    data.add_argument("--jobs", "-j", type=whole(1, 1024), help="songs rendered at a time (default: one a core)")

    train = add("train", "Train a model for one target; goes on with an unfinished training in --out.", _train)
    trains(train)
    train.add_argument(
        "--split",
        metavar="BANDS",
        help="band split of the model, such as v7 (default: the target's own, v7 for one that the paper does not have)",
    )
    out(train, "models/new", "folder of the model")

    finetune = add("finetune", "Finetune a model on unlabelled music, semi-supervised.", _finetune)
    trains(finetune)
    finetune.add_argument("--from", dest="start", type=place, required=True, help="folder of the trained model")
    finetune.add_argument(
        "--unlabelled", type=place, required=True, help="folder of audio files; none: the control, labelled songs only"
    )
    out(finetune, "models/finetuned", "folder of the model")

    evaluate = add("evaluate", "Score a model on a data set: JSON and a table.", _evaluate)
    evaluate.add_argument("--model", type=place, required=True, help="folder of the model")
    evaluate.add_argument("--data", type=place, help="folder of songs; default: the profile's own data set")
    evaluate.add_argument(
        "--split",
        default="test",
        metavar="SONGS",
        help="part of the songs to score: train, valid or test (default: test)",
    )
    evaluate.add_argument("--segment", type=float, help="seconds the model sees at a time (default: the profile's)")
    evaluate.add_argument("--hop", type=float, help="seconds between segments (default: the profile's)")
    device(evaluate)
    out(evaluate, "scores", "folder of scores.json and scores.csv")

    separate = add("separate", "Songs in, stems out.", _separate)
    separate_options.add_arguments(separate)
    separate.add_argument(
        "--device", "-d", type=device_name, default=None, help="cpu or cuda (default: cuda if there is one)"
    )
    out(separate, "separated", "stems go to OUT/MODEL/SONG/STEM.FORMAT")

    comparing = add("compare", "Change one thing: the base and the changed system, song by song.", compare.run)
    compare.add_arguments(comparing)
    device(comparing)
    out(comparing, "comparisons", "folder of tables, figures, JSON and runs; what is there is not computed again")

    drawing = add("curve", "Draw trainings against the finished runs of their kind: am I on track?", curve.run)
    curve.add_arguments(drawing)
    out(drawing, "curve.svg", "the figure: a file.svg or file.png")

    importer = add("import", "A published checkpoint into our format; nothing that the file names is run.", _import)
    importer.add_argument("file", type=place, metavar="FILE", help="the replication's .ckpt (Zenodo record 17516442)")
    importer.add_argument(
        "--target", action="append", default=[], help="stem of the file; repeat it in order where the file has several"
    )
    importer.add_argument("--out", "-o", type=place, required=True, help="folder of the model")

    verify = add(
        "verify", "Hold results against the registry and the manifest; exit code 1 if something is off.", _verify
    )
    verify.add_argument(
        "--replay",
        type=whole(0),
        default=2,
        metavar="STEPS",
        help="first steps of each training that are computed again, where its songs are here (default: 2; at most 3)",
    )
    verify.add_argument("--out", "-o", type=place, help="also write the findings into this file")

    run = add("run", "Compute one run of a profile.", _run)
    run.add_argument("id", help="of the run; an unknown one lists them")
    device(run)
    run.add_argument(
        "--micro-items", type=whole(0), help="items taken at a time, for the memory; changes rounding alone; 0: a batch"
    )
    run.add_argument("--threads", type=whole(1, 1024), help="CPU threads (default: the run's own)")

    artifacts = add("artifacts", "Draw every figure and table of a profile and write the manifest.", _artifacts)
    artifacts.add_argument("--print", action="store_true", help="print the result table, and draw nothing")
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


def _micro(profile: profiles.Profile, options) -> profiles.Profile:
    """The profile with another number of items taken at a time, if one is asked for."""
    if options.micro_items is None:
        return profile
    names = ("train.micro_items", "finetune.train.micro_items")
    return overrides.with_values(profile, dict.fromkeys(names, options.micro_items))


def _data(options) -> None:
    from bsrnn.data import songs

    profile = _profile(options)
    if profile.data.source == "embedded":
        from bsrnn.data.synthetic import ensure
        from bsrnn.study import needs

        splits = ["train", "valid", "test"]
        splits += ["unlabelled-matched"] * bool(profile.finetuned) + ["test-new"]
        needs.rendering(profile.data, options.out or paths.data(), splits)
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
    print(f"best validation uSDR {progress['best']:.2f} dB at item {progress['best_items']}: {options.out}")


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
    report = progress["unlabelled"]
    counts: Counter[str] = Counter()
    for entry in progress["history"]:
        counts.update({kind: number for kind, number in entry["counts"].items() if "/" not in kind})
    if report["songs"]:
        left_out = {name: len(report[name]) for name in ("short", "silent", "unreadable", "held_out")}
        print(
            f"unlabelled music: {report['songs']} songs used ({report['hours']:.2f} h, {report['segments']} salient "
            f"segments); left out: "
            + ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in left_out.items())
        )
        for why in report["unreadable"].values():
            print(f"  unreadable: {why}")
    print("signals: " + ", ".join(f"{number} {kind.replace('_', ' ')}" for kind, number in sorted(counts.items())))
    replaced = sum(entry["teacher_replaced"] for entry in progress["history"])
    times = terminal.counted(replaced, "time")
    print(f"the student replaced the teacher {times} in {terminal.counted(len(progress['history']), 'validation')}")
    before = f"the start's {progress['start_valid_usdr']:.2f} dB"
    print(f"best validation uSDR {progress['best']:.2f} dB, {before}: {options.out}")


def _evaluate(options) -> None:
    from bsrnn import checkpoint
    from bsrnn.study import needs, scoring
    from bsrnn.tool import score_files

    with preflight.all_at_once() as check:
        check(preflight.device, options.device)
        profile, model = check(_evaluation_profile, options), check(checkpoint.load, options.model)
        check(preflight.place, options.out, *score_files.FILES)
        check(score_files.check_free, options.out)
        if profile and model:
            check(needs.data, profile.data, options.split, model.config.targets, model.config.sample_rate)
    assert profile and model, RAISED
    scores = scoring.score_model(model.to(options.device), profile, options.split)
    conditions = {"data": asdict(profile.data), "split": options.split, "separate": asdict(profile.separate)}
    score_files.write(options.out, scores, {"model": str(options.model)} | conditions)
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
    run = replace(run, profile=_micro(run.profile, options))
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
