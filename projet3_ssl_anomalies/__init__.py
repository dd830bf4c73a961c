"""Project 3: self-supervised learning for anomaly detection."""
