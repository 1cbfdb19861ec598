"""One page for people: what a run or a comparison left on disk, to look at and to listen to."""
