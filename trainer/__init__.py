"""From labelled photos to a release: fine-tune, judge without leaks, calibrate, export, pack."""
