"""Statistics: metrics, calibration and the gate. Arrays and answers go in, values come out."""
