"""One finetuning over time: who makes the labels, who learns, and how each scores. A notebook's cell draws it."""

from matplotlib.figure import Figure

from bsrnn.report import figures
from bsrnn.report.figures import GREY, SMALL_POINTS, colour
from bsrnn.study.results import Results


def drawn(results: Results, target: str) -> Figure:
    """One finetuning over time: above, who makes the labels and who learns; below, how each scores."""
    done = results.find("finetuned", target)[0]
    history = done.training["history"]
    items = [0, *(entry["items"] for entry in history)]
    teacher = [done.training["start_valid_usdr"]]
    for entry in history:
        teacher.append(entry["valid_usdr"] if entry["teacher_replaced"] else teacher[-1])
    student = [teacher[0], *(entry["valid_usdr"] for entry in history)]
    figure = figures.new_figure(3.0)
    roles, scores = figure.subplots(2, 1, sharex=True, height_ratios=[1, 2])
    for row, tint in ((1, "black"), (0, colour(target))):
        roles.annotate("", (items[-1], row), (0, row), arrowprops={"arrowstyle": "->", "color": tint})
    for item in items[1:]:
        roles.annotate("", (item, 0.12), (item, 0.9), arrowprops={"arrowstyle": "->", "color": GREY, "linestyle": ":"})
    for entry in (entry for entry in history if entry["teacher_replaced"]):
        roles.annotate("", (entry["items"], 0.9), (entry["items"], 0.1), arrowprops={"arrowstyle": "-|>", "lw": 2})
    roles.set_yticks([1, 0], ["teacher P: labels", "student Q: learns"], fontsize=SMALL_POINTS)
    roles.set_ylim(-0.4, 1.4)
    roles.spines[["top", "right", "bottom"]].set_visible(False)
    scores.step(items, teacher, where="post", color="black", linestyle="--", label="teacher P")
    scores.plot(items, student, color=colour(target), marker="o", markersize=4, label="student Q")
    figures.style(scores, "finetuning items", "validation uSDR (dB)")
    figures.legend(scores)
    return figure
