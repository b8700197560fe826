"""In and out of explanations: for administrators, and for laboratories once their value is in."""

from pydantic import Field, StrictStr

from backend.wire.fields import Count, Id, Wire


class ExplainedQuery(Wire):
    release_id: StrictStr | None = Field(
        default=None,
        max_length=64,
        pattern=r"^[a-z0-9]([a-z0-9.-]{0,62}[a-z0-9])?$",
        description="Whose answer; left out: the one that is shown. Laboratories see no other",
    )


class NearestQuery(ExplainedQuery):
    limit: Count = Field(default=5, ge=1, le=50, description="Cases, the nearest first")


class StepOut(Wire):
    value: float
    colour: str = Field(description="sRGB, as it is before it is laid over the photo", examples=["#7d7c78"])


class LegendOut(Wire):
    """How to read the heat map: the lighter, the more for anaemia; a white line runs where the value is 0."""

    meaning: str
    opacity: float = Field(description="Of the colours over the photo, 0..1")
    steps: list[StepOut] = Field(description="Evenly spaced, the darkest first; 0 is in the middle")


class ExplanationOut(Wire):
    case_id: Id
    photo_id: Id
    release_id: str
    shown: bool = Field(description="This answer is the one that the advice follows")
    probability: float
    cam: list[list[float]] = Field(description="The map itself, row by row over the square that the model was given")
    legend: LegendOut


class NeighbourOut(Wire):
    case_id: Id
    photo_id: Id = Field(description="Of the case's photos the nearest")
    hb_g_per_l: str = Field(description="As measured, not adjusted for altitude")
    severity: str
    distance: float = Field(description="1 less the cosine of the two embeddings: 0 to 2, 0 is the same")


class NearestOut(Wire):
    case_id: Id
    photo_id: Id
    release_id: str = Field(description="Whose embeddings were compared; those of two releases never are")
    compared: int = Field(description="Confirmed photos at the caller's sites that this release has scored")
    items: list[NeighbourOut]
