"""The old way, first half: one process that reads a STEP file and writes a GLB.

usage: step_to_glb.py INPUT OUTPUT LINEAR_MM ANGULAR_RAD
"""

import sys

from OCP.BRepMesh import BRepMesh_IncrementalMesh
from OCP.collections import IndexedDataMap_TCollection_AsciiString_TCollection_AsciiString
from OCP.Message import Message_ProgressRange
from OCP.RWGltf import RWGltf_CafWriter
from OCP.RWMesh import RWMesh_CoordinateSystem
from OCP.TCollection import TCollection_AsciiString

from step_document import free_shapes, read_document


def main() -> None:
    source, target, linear_mm, angular_rad = sys.argv[1:]
    document, shape_tool = read_document(source)
    for shape in free_shapes(shape_tool):
        BRepMesh_IncrementalMesh(shape, float(linear_mm), False, float(angular_rad), True)
    writer = RWGltf_CafWriter(TCollection_AsciiString(target), True)
    converter = writer.ChangeCoordinateSystemConverter()
    converter.SetInputLengthUnit(0.001)
    converter.SetInputCoordinateSystem(RWMesh_CoordinateSystem.RWMesh_CoordinateSystem_Zup)
    info = IndexedDataMap_TCollection_AsciiString_TCollection_AsciiString()
    if not writer.Perform(document, info, Message_ProgressRange()):
        sys.exit(f"{target}: cannot be written")


main()
