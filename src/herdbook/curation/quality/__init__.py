"""Quality: would a careful editor keep this text? Three classifiers, one idea a file.

`noise` tells text from noise made of it (trained in the run of stage `curate`); `reference_classifier` and
`judged_classifier` are those of Llama 3 (section 3.1.1): fastText on what Wikipedia would reference, and a classifier
trained on a model's judgements. `label_stage` and `train_stage` are their stages, `step` is their step.
"""
