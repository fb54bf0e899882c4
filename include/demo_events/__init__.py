"""Generated events that show the spool at work: bounded, repeatable by their seed, some in groups."""
