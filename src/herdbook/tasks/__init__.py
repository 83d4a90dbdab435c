"""What is asked and how it is graded: facts, phrasings, names that do not exist, graders."""
