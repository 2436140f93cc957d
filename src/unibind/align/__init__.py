"""The method: heads, losses, fitting, bridges, embedding centers and calibration."""
