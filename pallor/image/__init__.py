"""From a photo's bytes to what a model reads: decode, judge, fingerprint, lay out; and photos drawn from nothing."""
