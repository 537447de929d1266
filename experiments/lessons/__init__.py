"""What the lessons' notebooks use: a first cell, predictions, and exercises that explain.

A lesson's exercises are the module here of the lesson's name; its text is ``docs/lessons/NAME.py``.
"""

from experiments.lessons.exercise import Exercise as Exercise
from experiments.lessons.exercise import Unsolved as Unsolved
from experiments.lessons.exercise import exercise as exercise
from experiments.lessons.prediction import compare as compare
from experiments.lessons.setup import begin as begin
