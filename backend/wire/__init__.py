"""The white list: every field that may come in or go out, as models that check it and document it.

Inside the backend data is domain objects, already checked.
"""
