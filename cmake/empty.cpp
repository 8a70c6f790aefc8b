// A layer that has no source yet.
