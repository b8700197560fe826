"""A person chooses another password, and every other sign-in of theirs ends."""

from sqlalchemy import select, update

from backend.access.passwords import PasswordWeak, hash_password, password_fits
from backend.db.engine import Database
from backend.db.tables import people, tokens
from backend.services.audit import write_audit
from backend.services.sessions import revoke_tokens
from backend.services.sign_in import check_unchanged, password_wrong, standing_password
from pallor.clock import Clock


def change_password(
    database: Database, clock: Clock, person_id: str, old: str, new: str, *, token_id: str, by: str
) -> None:
    """Let ``new`` be the password from now on; the same again changes nothing.

    Args:
        new: found strong enough. token_id: the sign-in that stays.

    Raises:
        PasswordWrong: ``old`` is not the password that stands.
        PasswordWeak: the new one is the old one, which an administrator may know.
        DoorBusy
    """
    with database.read() as connection:
        row = connection.execute(select(people).where(people.c.id == person_id)).one()
    kept = standing_password(row, clock.now())
    if not password_fits(kept, old):
        if row.one_time_until is None and password_fits(kept, new):
            return  # sent again after its answer got lost
        raise password_wrong()
    if new == old:
        raise PasswordWeak("the new password is the old one", field="new", value="(hidden)", remedy="Choose another.")
    chosen = hash_password(new)
    with database.write() as tx:
        check_unchanged(tx, row)
        tx.execute(update(people).where(people.c.id == person_id).values(password_hash=chosen, one_time_until=None))
        ended = revoke_tokens(tx, clock, (tokens.c.person_id == person_id) & (tokens.c.id != token_id))
        write_audit(tx, clock, by, "person.change-password", person_id, new={"sign_ins_ended": ended})
