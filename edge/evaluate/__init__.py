"""How good a model is: its accuracy on labelled pictures, through the loop that runs it, beside that of others."""

from edge.evaluate.compare import Answer, ClassScore, Comparison, Difference, Scored, by_class, compare
from edge.evaluate.data import Labelled, lent, read, shared_classes, truths
from edge.evaluate.score import TOP, Score, score

__all__ = [
    "TOP",
    "Answer",
    "ClassScore",
    "Comparison",
    "Difference",
    "Labelled",
    "Score",
    "Scored",
    "by_class",
    "compare",
    "lent",
    "read",
    "score",
    "shared_classes",
    "truths",
]
