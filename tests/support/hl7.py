"""HL7 v2 messages as laboratories' systems write them, each patient's name in them marked."""

from typing import Any

PATIENT = "PID|1||4711^^^HOSP~A-017^^^PALLOR||MARK-NAME^AMINA^B||20240501|F|||MARK STREET 7^^KUMASI||MARK-PHONE"


def obx(value: str = "10.4", *, number: int = 1, unit: str = "g/dL", code: str = "718-7^Hemoglobin^LN",
        kind: str = "NM", status: str = "F", tail: str = "") -> str:  # fmt: skip
    return f"OBX|{number}|{kind}|{code}||{value}|{unit}|12.0-16.0|L|||{status}{tail}"


def a_message(*results: str, tube: str = "", order: str = "L-1^LIS", case_id: str = "", pid: str = PATIENT,
              **header: Any) -> str:  # fmt: skip
    """An ORU^R01 of version 2.5.1; ``header``: what stands in MSH instead, and ``spm`` for the whole segment."""
    kind, mode, version = (header.get(name, usual) for name, usual in _MSH.items())
    charset = header.get("charset", "")
    spm = header.get("spm", f"SPM|1|{tube}||BLDV^Venous blood^HL70487|||||||||||||20261101130000+0000" if tube else "")
    segments = [
        f"MSH|^~\\&|LIS|LAB-1|PALLOR|KUMASI|20261101140000+0000||{kind}|M-1|{mode}|{version}||||||{charset}",
        pid,
        "NTE|1||seen by Dr. MARK",
        f"OBR|1|{case_id}|{order}|58410-2^CBC panel^LN|||20261101130000+0000|||||||||MARK-DOCTOR||||||"
        f"{header.get('reported', '20261101133000+0000')}||HM|F",
        *results,
        spm,
    ]
    return "\r".join(segment for segment in segments if segment) + "\r"


_MSH = {"kind": "ORU^R01^ORU_R01", "mode": "P", "version": "2.5.1"}
