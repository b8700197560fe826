"""Who may sign what, for how long, and how many it takes.

root, targets    offline, 2 of 3: who holds which key
releases         offline, a person: manifests and the policy
clearances       offline, two of those persons
candidates       the trainer: nodes take them into the challenger slot alone, where nothing is shown
channels         the backend: chooses among what people have signed, at or above the floor
snapshot, timestamp   the backend: what is newest, signed daily
"""

from datetime import timedelta

ROOT, TOP, SNAPSHOT, TIMESTAMP = "root", "targets", "snapshot", "timestamp"
RELEASES, CLEARANCES, CANDIDATES, CHANNELS = "releases", "clearances", "candidates", "channels"

# role -> what it may sign. A pattern has as many parts as the path it fits (python-tuf).
DELEGATED = {
    RELEASES: ["releases/*/manifest.json", "policy.json"],
    CLEARANCES: ["clearance/*.json"],
    CANDIDATES: ["candidates/*/manifest.json"],
    CHANNELS: ["channels/*.json"],
}
KEY_ROLES = (ROOT, SNAPSHOT, TIMESTAMP, *DELEGATED)  # the keys of `targets` are those of `root`
OFFLINE = (ROOT, RELEASES, CLEARANCES)
THRESHOLD = {ROOT: 2, CLEARANCES: 2}  # one where nothing else is said

LIFETIME = {
    ROOT: timedelta(days=730),
    TOP: timedelta(days=730),
    RELEASES: timedelta(days=365),
    CLEARANCES: timedelta(days=365),
    CANDIDATES: timedelta(days=365),
    CHANNELS: timedelta(days=90),
    SNAPSHOT: timedelta(days=30),
    TIMESTAMP: timedelta(days=14),
}
RESIGN_AFTER = {TIMESTAMP: timedelta(days=1), SNAPSHOT: timedelta(days=15), CHANNELS: timedelta(days=45)}
