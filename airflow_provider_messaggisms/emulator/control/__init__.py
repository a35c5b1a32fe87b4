"""
What a test does to the emulator from outside: reset it, move its clock, script failures, read which requests it got.
"""
