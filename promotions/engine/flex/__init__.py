"""The language of flex promotions: checked when rules are saved, run as the benefit of a promotion."""

from promotions.engine.flex.catalogue import CATALOGUE
from promotions.engine.flex.language import compiled, normalised
from promotions.engine.flex.program import Program
from promotions.engine.flex.reading import BadRules

__all__ = ["CATALOGUE", "BadRules", "Program", "compiled", "normalised"]
