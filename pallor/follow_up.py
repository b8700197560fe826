"""After the visit: results mostly arrive when the child has left, so somebody has to be called back."""

from enum import StrEnum


class FollowUpState(StrEnum):
    TO_CALL = "to-call"
    REACHED = "reached"
    REFERRED = "referred"
    TREATED = "treated"
    LOST = "lost"


class FollowUpNote(StrEnum):
    """Why it stands so; a list, since what is written freely ends up holding names and telephone numbers."""

    NO_ANSWER = "no-answer"
    NO_PHONE = "no-phone"
    WILL_COME = "will-come"
    DECLINED = "declined"
    MOVED_AWAY = "moved-away"
    TREATED_ELSEWHERE = "treated-elsewhere"
    DIED = "died"
