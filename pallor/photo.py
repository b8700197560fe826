"""What a photo of a case is for."""

from enum import StrEnum


class PhotoRole(StrEnum):
    """``ROI``: the inner lower eyelid, masked; it is scored. ``CONTEXT``: eyelid and sclera around it, by which its
    colours could be balanced later; it is neither scored nor shown, and kept only while training is consented to.
    """

    ROI = "roi"
    CONTEXT = "context"
