"""The options of ``bsrnn separate``; apart, since the command line shows them before torch is imported."""

import argparse

from bsrnn.audio.kinds import FORMATS
from bsrnn.runtime import paths
from bsrnn.tool.options import whole

CLIP_MODES = ("rescale", "clamp")
EXAMPLES = """example: bsrnn separate song.mp3
         bsrnn separate album/ --two-stems vocals --format flac -o separated
         bsrnn separate song.wav --model models/piano --model user/model-on-the-hub --residual --float32"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options, but for --device."""
    add = command.add_argument
    add("songs", nargs="+", type=paths.place, metavar="SONG", help="audio files, or folders of them")
    add("--model", "-n", action="append", metavar="DIR_OR_HUB_ID", default=[], type=paths.expanded,
        help="folder of a model, or its name on the Hugging Face Hub; may be repeated. Or a folder of several: of a "
             "stem that more than one of these separates, the mean of their estimates is written (default: the "
             "models of this project's own results)")  # fmt: skip
    left_over = command.add_mutually_exclusive_group()
    left_over.add_argument("--two-stems", metavar="STEM", help="only STEM, and no_STEM: the mixture minus it")
    left_over.add_argument("--residual", action="store_true", help="also write the mixture minus all stems")
    left_over.add_argument("--add-up", action="store_true",
        help="share what the stems leave of the mixture equally among them, so that they add up to the song; for "
             "models that together separate all of it")  # fmt: skip
    add("--segment", type=float, default=3.0, help="seconds the model sees at a time (default: 3)")
    add("--hop", type=float, default=1.5,
        help="seconds between segments (default: 1.5; less costs more, see Table II and claim C3)")  # fmt: skip
    add("--dtype", choices=("auto", "float32", "bfloat16"), default="auto",
        help="of the recurrent core (default: bfloat16 where the device is faster in it, else float32; where it would "
             "be emulated, bfloat16 is refused in one line and float32 taken)")  # fmt: skip
    add("--format", choices=[suffix[1:] for suffix in FORMATS], default="wav", help="default: wav")
    encoding = command.add_mutually_exclusive_group()
    encoding.add_argument("--int24", dest="encoding", action="store_const", const="int24", default="",
                          help="24 bit instead of 16 (wav, flac)")  # fmt: skip
    encoding.add_argument("--float32", dest="encoding", action="store_const", const="float32",
                          help="32 bit float (wav): stems and residual add up to the song to the last bit but one, and "
                               "nothing is clipped")  # fmt: skip
    add("--clip-mode", choices=CLIP_MODES, default="rescale",
        help="of samples beyond full scale: make all stems of the song quieter by one factor, or cut them off "
             "(default: rescale)")  # fmt: skip
    add("--again", action="store_true", help="separate songs, too, whose stems are there already")
    add("--jobs", "-j", type=whole(1, 1024), default=1, help="songs at a time; each takes its own memory (default: 1)")
    add("--quiet", "-q", action="store_true", help="no progress bar, and no word about the models")
