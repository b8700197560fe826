"""The prospective record: what a release said before anybody knew, against what the laboratory found. Pure, numpy."""
