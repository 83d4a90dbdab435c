"""Training: loss, optimiser, schedule, loop, checkpoints, and the stage `pretrain`."""
