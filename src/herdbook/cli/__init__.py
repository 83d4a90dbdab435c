"""The command line `herd`: one file a verb; each imports its room only when the verb is chosen."""
