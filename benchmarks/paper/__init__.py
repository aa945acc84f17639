"""The paper's experiments (section 3.1): targets, sweeps, Tables 1 to 3 and the points it leaves open."""
