"""What is run to test the paper's claims: profiles, the grid of runs, their computation and their results."""
