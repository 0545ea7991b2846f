"""Simulated hardware: car, cable, meter, readers and the world that outlives the process."""
