"""Project 1: who painted this? A CNN on the paintings of fifty artists."""

from pathlib import Path

PROJECT = "projet1_artistes"  # folder of derived files
REFERENCE = Path(__file__).parent / "reference"
