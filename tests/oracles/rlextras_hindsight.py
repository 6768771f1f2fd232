"""The slow twin of hindsight goals with n-step returns: one transition and one step at a time."""


def n_step_outcome(episode, t, n_steps, gamma, reward_of):
    """Return of the steps from t on, what follows is worth, and the last of them."""
    total, discount, last = 0.0, 1.0, None
    for step in episode[t : t + n_steps]:
        total += discount * reward_of(step)
        discount *= gamma
        last = step
    return total, discount, last
