"""What a model is worth: questions with known answers, intervals over facts, the report."""
