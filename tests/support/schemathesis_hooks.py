"""Loaded by Schemathesis: what a phone sealed is sent as bytes, as a photo is."""

import schemathesis

schemathesis.serializer.alias("application/vnd.pallor.sealed", "application/octet-stream")
