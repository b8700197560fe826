"""HL7 version 2's own tables, as far as a haemoglobin needs them (HL7 v2.5.1, chapter and table by number)."""

from pallor.lab import Specimen
from pallor.reported import Rejection, ReportStatus
from pallor.subject import Sex

OBX_STATUS = {  # 0085; left out: what is preliminary, pending, partial or comes without its value
    "F": ReportStatus.FINAL,
    "C": ReportStatus.CORRECTED,
    "D": ReportStatus.ENTERED_IN_ERROR,
    "W": ReportStatus.ENTERED_IN_ERROR,  # posted as correct, and wrong: such as of another patient
    "X": ReportStatus.CANCELLED,
}
OFF_SCALE = {"<", ">"}  # 0078: beyond the instrument's scale
SEXES = {"F": Sex.FEMALE, "M": Sex.MALE}  # 0001; whatever else is said contradicts nobody
SPECIMENS = {  # 0487, 0070, and SNOMED CT's codes for the same
    "BLDV": Specimen.VENOUS, "122555007": Specimen.VENOUS,
    "BLDC": Specimen.CAPILLARY, "122554006": Specimen.CAPILLARY,
}  # fmt: skip
NOT_BLOOD = {"UR": "urine", "SER": "serum", "PLAS": "plasma", "CSF": "cerebrospinal fluid", "STL": "stool"}
REJECTIONS = {  # 0490
    "RH": Rejection.HAEMOLYSED, "RC": Rejection.CLOTTED, "QS": Rejection.INSUFFICIENT, "RB": Rejection.BROKEN,
    "RA": Rejection.UNLABELLED, "RE": Rejection.UNLABELLED, "RM": Rejection.UNLABELLED, "RI": Rejection.UNLABELLED,
}  # fmt: skip
REJECTIONS_OF_CONDITIONS = {"HEM": Rejection.HAEMOLYSED, "CLOT": Rejection.CLOTTED}  # 0493
LABORATORY_SECTIONS = frozenset({"HM", "LAB", "CH"})  # 0074
