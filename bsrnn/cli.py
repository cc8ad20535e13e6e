"""The command line: ``bsrnn COMMAND --help`` shows each command with an example."""

import argparse
import os
import sys
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

from bsrnn import config, overrides, paths, tool
from bsrnn.errors import BSRNNError, ConfigError, DataError

EPILOG = {
    "data": "example: bsrnn data --profile quick\n         bsrnn data --data my_songs --target piano",
    "train": "example: bsrnn train --target piano --data my_songs --profile quick --out models/piano",
    "finetune": "example: bsrnn finetune --target vocals --from models/vocals --data my_songs --unlabelled my_music "
    "--out models/vocals-finetuned",
    "evaluate": "example: bsrnn evaluate --model models/piano --data my_songs --out scores",
    "separate": tool.EXAMPLES,
    "import": "example: bsrnn import vocals.ckpt --out models/vocals\n"
    "         bsrnn import simo.ckpt --target vocals --target bass --target drums --target other --out models/simo",
    "verify": "example: bsrnn verify --profile small",
    "run": "example: bsrnn run vocals-s0 --profile quick",
    "artifacts": "example: bsrnn artifacts --profile quick --print",
}


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    main_parser = argparse.ArgumentParser("bsrnn", description="Music source separation with the band-split RNN.")
    commands = main_parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, help: str, call) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name, help=help, description=help, epilog=EPILOG[name], formatter_class=argparse.RawDescriptionHelpFormatter
        )
        command.set_defaults(call=call)
        command.add_argument(
            "--profile", default="quick", choices=list(config.PROFILES), help="how big (default: quick)"
        )
        return command

    def out(command, default: str, help: str):
        command.add_argument("--out", "-o", type=Path, default=Path(default), help=f"{help} (default: {default})")

    def device(command):
        command.add_argument("--device", type=_device, default="cpu", help="cpu or cuda (default: cpu)")

    def trains(command):
        command.add_argument("--data", type=Path, help="folder of songs; default: the profile's own data set")
        command.add_argument("--target", default="vocals", help="stem to separate (default: vocals)")
        command.add_argument("--seed", type=_seed, default=0, help="of weights and data order (default: 0)")
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
    data.add_argument("--data", type=Path, help="folder of songs to check; default: the profile's own data set")
    data.add_argument("--target", action="append", default=[], help="stem that every song must have; may be repeated")
    data.add_argument("--out", "-o", type=Path, help="where rendered songs go (default: data/)")
    data.add_argument("--jobs", "-j", type=int, help="songs rendered at a time (default: one a core)")

    train = add("train", "Train a model for one target; goes on with an unfinished training in --out.", _train)
    trains(train)
    train.add_argument(
        "--split", help="band split (default: the target's own, V7 for a target that the paper does not have)"
    )
    out(train, "models/new", "folder of the model")

    finetune = add("finetune", "Finetune a model on unlabelled music, semi-supervised.", _finetune)
    trains(finetune)
    finetune.add_argument("--from", dest="start", type=Path, required=True, help="folder of the trained model")
    finetune.add_argument(
        "--unlabelled", type=Path, required=True, help="folder of audio files; none: the control, labelled songs only"
    )
    out(finetune, "models/finetuned", "folder of the model")

    evaluate = add("evaluate", "Score a model on a data set: JSON and a table.", _evaluate)
    evaluate.add_argument("--model", type=Path, required=True, help="folder of the model")
    evaluate.add_argument("--data", type=Path, help="folder of songs; default: the profile's own data set")
    evaluate.add_argument("--split", default="test", help="train, valid or test (default: test)")
    evaluate.add_argument("--segment", type=float, help="seconds the model sees at a time (default: the profile's)")
    evaluate.add_argument("--hop", type=float, help="seconds between segments (default: the profile's)")
    device(evaluate)
    out(evaluate, "scores", "folder of scores.json and scores.csv")

    separate = add("separate", "Songs in, stems out.", _separate)
    tool.add_arguments(separate)
    separate.add_argument(
        "--device", "-d", type=_device, default=None, help="cpu or cuda (default: cuda if there is one)"
    )
    out(separate, "separated", "stems go to OUT/MODEL/SONG/STEM.FORMAT")

    importer = add("import", "A published checkpoint into our format; the file is never unpickled.", _import)
    importer.add_argument("file", type=Path, metavar="FILE", help="the replication's .ckpt (Zenodo record 17516442)")
    importer.add_argument(
        "--target", action="append", default=[], help="stem of the file; repeat it in order where the file has several"
    )
    importer.add_argument("--out", "-o", type=Path, required=True, help="folder of the model")

    verify = add(
        "verify", "Hold results against the registry and the manifest; exit code 1 if something is off.", _verify
    )
    verify.add_argument(
        "--replay",
        type=int,
        default=2,
        metavar="STEPS",
        help="first steps of each training that are computed again, where its songs are here (default: 2; at most 3)",
    )
    verify.add_argument("--out", "-o", type=Path, help="also write the findings into this file")

    run = add("run", "Compute one run of a profile.", _run)
    run.add_argument("id", help="of the run; an unknown one lists them")
    device(run)
    run.add_argument(
        "--micro-items", type=int, help="items taken at a time, for the memory; changes rounding alone; 0: a batch"
    )
    run.add_argument("--threads", type=int, help="CPU threads (default: the run's own)")

    artifacts = add("artifacts", "Draw every figure and table of a profile and write the manifest.", _artifacts)
    artifacts.add_argument("--print", action="store_true", help="print the result table, and draw nothing")
    return main_parser


def main(arguments: list[str] | None = None) -> int:
    """Run a command; 0, or 1 with one line on standard error (argparse gives 2)."""
    options = parser().parse_args(arguments)
    try:
        return options.call(options) or 0
    except BSRNNError as error:
        print(f"bsrnn {options.command}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `bsrnn ... | head`: nobody reads on, and the interpreter shall not complain at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print(f"bsrnn {options.command}: interrupted; the same command goes on where it was", file=sys.stderr)
        return 130


def _seed(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number from 0 on")
    return int(text)


def _device(text: str) -> str:
    import torch

    if text.split(":")[0] not in ("cpu", "cuda"):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected cpu, cuda or cuda:N")
    if text.startswith("cuda") and not torch.cuda.is_available():
        raise argparse.ArgumentTypeError(f"got {text!r}, but this machine has no GPU that torch can use")
    return text


def _profile(options) -> config.Profile:
    """The profile, on the user's own songs if there are any."""
    profile = config.profile(options.profile)
    if getattr(options, "data", None):
        profile = replace(profile, data=config.DataConfig(source="folder", folder=str(options.data)))
    for assignment in getattr(options, "set", ()):
        profile = overrides.changed(profile, assignment)
        _refuse_unused(options.command, assignment)
    return profile


def _refuse_unused(command: str, assignment: str) -> None:
    """ConfigError for a setting that this command would not use, or that has an option of its own."""
    name = assignment.partition("=")[0]
    decided = {
        "model.targets": "--target",
        "model.band_split": "--split",
        "data.folder": "--data",
        "data.source": "--data",
        "finetune.unlabelled": "--unlabelled",
    }
    if name in decided:
        raise ConfigError(f"got --set {assignment}: use {decided[name]} for it")
    used = {"train": ("model", "train"), "finetune": ("finetune",)}[command]
    used += ("data", "activity", "mixing", "loss", "validate")
    if name.split(".")[0] not in used:
        hint = "; the architecture is that of the model in --from" if name.startswith("model.") else ""
        hint = "; finetuning's own is finetune.train" if name.startswith("train.") else hint
        raise ConfigError(f"got --set {assignment}: bsrnn {command} uses {', '.join(used)} alone{hint}")


def _micro(profile: config.Profile, options) -> config.Profile:
    """The profile with another number of items taken at a time, if one is asked for."""
    if options.micro_items is None:
        return profile
    if options.micro_items < 0:
        raise ConfigError(f"got --micro-items {options.micro_items}: expected 1 or more, or 0 for a whole batch")
    train = replace(profile.train, micro_items=options.micro_items)
    finetune = replace(profile.finetune.train, micro_items=options.micro_items)
    return replace(profile, train=train, finetune=replace(profile.finetune, train=finetune))


def _data(options) -> None:
    from bsrnn import songs

    profile = _profile(options)
    if profile.data.source == "embedded":
        from bsrnn.synthetic import ensure

        splits = ["train", "valid", "test"]
        splits += ["unlabelled-matched", "unlabelled-shifted", "test-shifted"] * bool(profile.finetuned) + ["test-new"]
        ensure(profile.data, options.out or paths.data(), splits=splits, jobs=options.jobs)
        if options.out:
            return
    for split in ("train", "valid", "test"):
        try:
            found = songs.load(profile.data, split, targets=options.target)
        except DataError as error:
            if split != "test" or not options.data:
                raise
            print(f"no test songs, so nothing to evaluate on: {error}")  # two songs are enough to train
            continue
        minutes = sum(song.frames / song.sample_rate for song in found) / 60
        print(f"{split}: {len(found)} songs, {minutes:.1f} min, stems {', '.join(sorted(found[0].stems))}")


def _train(options) -> None:
    from bsrnn import distributed, stages

    profile = _profile(options)
    scheme = options.split or (options.target if options.target in config.TARGETS else "v7")
    model = replace(profile.model, targets=(options.target,), band_split=scheme)
    with distributed.started(options.device) as device, stages.alone(options.out / ".lock"):
        progress = stages.train_model(replace(profile, model=model), options.seed, options.out, device)
        if distributed.rank() > 0:
            return
    print(f"best validation uSDR {progress['best']:.2f} dB at item {progress['best_items']}: {options.out}")


def _finetune(options) -> None:
    from bsrnn import checkpoint, distributed, songs, stages

    profile = _profile(options)  # first: a mistyped setting need not wait for a model
    profile = replace(profile, model=checkpoint.load(options.start).config)
    if options.unlabelled == Path("none"):
        unlabelled = songs.Mixtures([])
        profile = replace(profile, finetune=replace(profile.finetune, unlabelled="none"))
    else:
        unlabelled = songs.read_mixtures(options.unlabelled, profile.model.sample_rate)
    with distributed.started(options.device) as device, stages.alone(options.out / ".lock"):
        progress = stages.finetune_model(
            profile, options.target, options.seed, options.start, unlabelled, options.out, device
        )
        if distributed.rank() > 0:
            return
    report = progress["unlabelled"]
    counts = Counter()
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
    print(f"the student replaced the teacher {replaced} time(s) in {len(progress['history'])} validations")
    start = f"the start's {progress['start_valid_usdr']:.2f} dB"
    print(f"best validation uSDR {progress['best']:.2f} dB, {start}: {options.out}")


def _evaluate(options) -> None:
    import csv

    from bsrnn import checkpoint, scoring
    from bsrnn.files import atomic_write, write_json

    profile = _profile(options)
    given = {"segment_seconds": options.segment, "hop_seconds": options.hop}
    separate = replace(profile.separate, **{name: value for name, value in given.items() if value is not None})
    profile = replace(profile, separate=separate)
    model = checkpoint.load(options.model).to(options.device)
    scores = scoring.score_model(model, profile, options.split)
    conditions = {"data": asdict(profile.data), "split": options.split, "separate": asdict(separate)}
    write_json(options.out / "scores.json", {"model": str(options.model), "scores": scores} | conditions)
    rows = [{"target": target} | row for target, part in scores.items() for row in part["songs"]]
    with atomic_write(options.out / "scores.csv") as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    print(f"{'target':10} {'uSDR':>7} {'cSDR':>7} {'mixture':>7}  song")
    for row in rows:
        values = " ".join(f"{_db(row[name]):>7}" for name in ("usdr", "csdr", "usdr_mixture"))
        print(f"{row['target']:10} {values}  {row['song']}")
    for target, part in scores.items():
        summary = part["summary"]
        usdr = f"uSDR {_db(summary['usdr_mean'])} dB (mean of {summary['usdr_songs']} songs)"
        print(f"{target}: {usdr}, cSDR {_db(summary['csdr_median'])} dB (median of {summary['csdr_songs']})")


def _db(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _separate(options) -> int:
    import torch

    options.device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    return tool.run(options)


def _import(options) -> None:
    from bsrnn import interop

    model = interop.import_checkpoint(options.file, options.out, options.target)
    config = model.config
    print(f"{', '.join(config.targets)}: N {config.features}, {config.modules} modules, {len(model.widths)} bands, "
          f"{model.count_parameters()} parameters: {options.out}")  # fmt: skip


def _verify(options) -> int:
    from bsrnn.files import atomic_write
    from bsrnn.replay import replay
    from bsrnn.verify import notes, verify

    problems = verify(options.profile)
    replayed = replay(options.profile, options.replay)
    problems += replayed[0]
    fine = f"results/{options.profile}: every run and artifact is as the registry and the manifest say"
    lines = [*(problems or [fine]), *(f"note: {note}" for note in notes(options.profile) + replayed[1])]
    print(*lines, sep="\n")
    if options.out:
        with atomic_write(options.out) as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 1 if problems else 0


def _run(options) -> None:
    from bsrnn import distributed, runs, stages

    run = runs.get(options.profile, options.id)
    run = replace(run, profile=_micro(run.profile, options))
    if not run.available():
        raise ConfigError(
            f"run {run.id!r} decodes a real recording and needs ffmpeg, ffprobe and stempeg on this machine"
        )
    with distributed.started(options.device) as device:
        result = stages.compute(run, device=device, threads=options.threads)
        if not result:
            return
    print(f"{run.id}: {run.result_path().relative_to(paths.root())} ({result['score_seconds']} s)")


def _artifacts(options) -> None:
    from bsrnn import artifacts, stages

    if not options.print:
        stages.publish(options.profile)
        artifacts.write_all(options.profile)
    print(artifacts.result_table(options.profile))


if __name__ == "__main__":
    sys.exit(main())
