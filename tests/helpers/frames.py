"""A video source without a file."""

import numpy as np


class Brightening:
    """Frames as light as they are late: 10 gray levels per second."""

    def frames(self, timestamps_s: np.ndarray) -> np.ndarray:
        gray = (timestamps_s * 10).astype(np.uint8)
        return np.broadcast_to(gray[:, None, None, None], (len(gray), 48, 64, 3)).copy()
