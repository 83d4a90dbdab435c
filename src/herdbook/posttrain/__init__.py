"""Post-training: supervised fine-tuning, reward model, rejection sampling, PPO, DPO and the control. One
algorithm, one file."""
