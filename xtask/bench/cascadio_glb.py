"""The native peer: reads a STEP file and writes a GLB by cascadio.

usage: cascadio_glb.py INPUT OUTPUT LINEAR_MM ANGULAR_RAD
"""

import sys

import cascadio

source, target, linear_mm, angular_rad = sys.argv[1:]
sys.exit(cascadio.step_to_glb(source, target, float(linear_mm), float(angular_rad), False))
