"""Project 3: self-supervised learning for anomaly detection."""

from pathlib import Path

PROJECT = "projet3_ssl_anomalies"  # folder of derived files
REFERENCE = Path(__file__).parent / "reference"
