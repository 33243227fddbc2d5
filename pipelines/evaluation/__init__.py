"""Statistics of value added, growth and equity: NumPy in, NumPy out; nothing of the platform."""
