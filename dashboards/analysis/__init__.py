"""The analyst area: figures and notes that say whether value added may be believed.

It reads `marts`, exact and with names of schools, and so is for the centre alone: the gate serves
nothing of it.
"""

from dashboards.analysis.area import Part, Sheet, parts
from dashboards.analysis.note import Rules

__all__ = ["Part", "Rules", "Sheet", "parts"]
