import pytest
import torch

from unibind.contrastive import symmetric_info_nce


def test_symmetric_info_nce_by_hand():
    eye = torch.eye(2)
    assert float(symmetric_info_nce(eye, eye, 0.0)) == pytest.approx(0.6931, abs=1e-4)  # ln 2: no information
    assert float(symmetric_info_nce(eye, eye, 2.0)) == pytest.approx(0.1269, abs=1e-4)  # ln(1 + e^-2)
    assert float(symmetric_info_nce(eye, eye.flip(0), torch.tensor(2.0))) == pytest.approx(2.1269, abs=1e-4)


def test_symmetric_info_nce_averages_both_directions():
    z, targets = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.eye(2)
    rows = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    forward = -(rows.log_softmax(dim=1).diag().mean())
    backward = -(rows.T.log_softmax(dim=1).diag().mean())
    assert float(symmetric_info_nce(z, targets, 1.0)) == pytest.approx(float((forward + backward) / 2))
