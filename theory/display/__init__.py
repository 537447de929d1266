"""What a notebook shows in place of a result's `repr`: the cards of the report and of the site."""

from theory.display.cards import card as card
from theory.display.cards import part_facts as part_facts
from theory.display.cards import style as style
from theory.display.cards import template as template
from theory.display.formulas import maths as maths
from theory.display.text import number as number
from theory.display.text import prose as prose
