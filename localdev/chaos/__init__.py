"""Real processes under kills and a bad network, judged from outside: `./dev chaos`. Never deployed."""
