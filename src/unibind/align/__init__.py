"""The method of the paper: heads, losses, fitting, bridges, embedding centers and calibration."""
