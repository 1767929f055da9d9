"""The simulated world as training data, and what it knows to be true. Only this part of ml/ knows the simulator."""
