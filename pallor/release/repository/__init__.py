"""The repository: what is released, signed role by role (The Update Framework). Needs the extra ``publish``.

Read on a node it needs tuf alone; here it is written: by key holders at a laptop, by the trainer, by the backend.
"""
