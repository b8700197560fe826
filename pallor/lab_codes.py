"""The closed table of what a laboratory may call haemoglobin and its units: exact, nothing guessed, nothing folded.

Units are UCUM (ucum.org) or a spelling that laboratories are known to send for it, each listed as it is written. Left
out on purpose: ``G/L`` and ``G/l``, which laboratories send for 10*9/L, a count of cells; ``mg/dL``; bare ``g``.
"""

from decimal import Decimal

MASS, MOLES = "mass", "moles"

# g/L in one of the unit. Molar: the monomer, 64 458 g/mol over four haems = 16 114.5 g/mol (IUPAC/IFCC; UCUM `mmol/L`).
GRAMS_PER_LITRE = {"g/L": Decimal(1), "g/dL": Decimal(10), "mmol/L": Decimal("16.1145")}
UNIT_CLASS = {"g/L": MASS, "g/dL": MASS, "mmol/L": MOLES}

# As sent: the N3C warehouse (1.89 million rows of gm/dL under 718-7, N3C issue 105), unitslab.com (g%, g/100mL), UCUM's
# case-insensitive spellings (G/DL, MMOL/L) and its lower case (g/dl, mmol/l), which HL7's own examples print.
SYNONYMS = {
    "g/dl": "g/dL", "G/DL": "g/dL", "G/dL": "g/dL", "gm/dL": "g/dL", "gm/dl": "g/dL", "GM/DL": "g/dL", "Gm/dL": "g/dL",
    "gms/dL": "g/dL", "gms/dl": "g/dL", "GMS/DL": "g/dL", "g%": "g/dL", "gm%": "g/dL", "GM%": "g/dL", "gms%": "g/dL",
    "g/100mL": "g/dL", "g/100 mL": "g/dL", "g/100ml": "g/dL", "g/100 ml": "g/dL",
    "g/l": "g/L", "gm/L": "g/L", "gm/l": "g/L",
    "mmol/l": "mmol/L", "MMOL/L": "mmol/L",
}  # fmt: skip

# LOINC codes of haemoglobin in blood, the class of unit each promises, and the specimen it names (loinc.org).
LOINC_CLASS = {"718-7": MASS, "30350-3": MASS, "30352-9": MASS, "20509-6": MASS, "59260-0": MOLES}
LOINC_SPECIMEN = {"30350-3": "venous", "30352-9": "capillary"}

_HBA1C = "HbA1c, a measure of blood sugar"
LOOK_ALIKES = {
    **dict.fromkeys(
        ("4548-4", "4549-2", "17855-8", "17856-6", "41995-2", "59261-8", "62388-4", "71875-9", "96595-4"), _HBA1C
    ),
    "4544-3": "haematocrit", "20570-8": "haematocrit",
    "785-6": "MCH, the haemoglobin of one red cell", "786-4": "MCHC, the haemoglobin in packed red cells",
    "2614-6": "methaemoglobin", "2615-3": "methaemoglobin",
}  # fmt: skip


def ucum(unit: str) -> str | None:
    """The UCUM code that a unit as it was written stands for; None for what is not in the table."""
    return unit if unit in GRAMS_PER_LITRE else SYNONYMS.get(unit)
