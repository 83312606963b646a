"""Statistics: metrics, calibration, the gate, costs and forecasts. Arrays and answers go in, values come out."""
