"""The old way, second half: one process that reads the STEP file again and writes a USD layer.

usage: step_to_usd.py INPUT OUTPUT LINEAR_MM ANGULAR_RAD

Each distinct part is one mesh, which its occurrences refer to.
"""

import sys

from OCP.BRep import BRep_Tool
from OCP.BRepMesh import BRepMesh_IncrementalMesh
from OCP.TCollection import TCollection_AsciiString
from OCP.TDF import TDF_Label, TDF_Tool
from OCP.TopAbs import TopAbs_FACE, TopAbs_REVERSED
from OCP.TopExp import TopExp_Explorer
from OCP.TopLoc import TopLoc_Location
from OCP.TopoDS import TopoDS
from pxr import Gf, Usd, UsdGeom, Vt

from step_document import free_labels, free_shapes, labels_of, read_document


class Writer:
    """Writes the labels of a document below the prims of a stage."""

    def __init__(self, stage, shape_tool):
        self.stage = stage
        self.shape_tool = shape_tool
        self.meshes = {}

    def occurrence(self, label, parent):
        """The occurrence at `label`, as a prim below `parent`."""
        path = parent.AppendChild(f"Occurrence_{label.Tag()}")
        prim = UsdGeom.Xform.Define(self.stage, path)
        transform = self.shape_tool.GetLocation_s(label).Transformation()
        rows = [[transform.Value(row, column) for row in (1, 2, 3)] for column in (1, 2, 3, 4)]
        matrix = [row + [0.0] for row in rows[:3]] + [rows[3] + [1.0]]
        prim.AddTransformOp().Set(Gf.Matrix4d(matrix))
        referred = TDF_Label()
        shape = referred if self.shape_tool.GetReferredShape_s(label, referred) else label
        if self.shape_tool.IsAssembly_s(shape):
            for component in labels_of(lambda labels: self.shape_tool.GetComponents_s(shape, labels)):
                self.occurrence(component, path)
        else:
            prim.GetPrim().GetReferences().AddInternalReference(self.mesh(shape))
            prim.GetPrim().SetInstanceable(True)

    def mesh(self, label):
        """The path of the part at `label`, whose mesh is written once."""
        entry = TCollection_AsciiString()
        TDF_Tool.Entry_s(label, entry)
        key = entry.ToCString()
        if key not in self.meshes:
            path = f"/Parts/Part_{len(self.meshes)}"
            UsdGeom.Xform.Define(self.stage, path)
            write_mesh(UsdGeom.Mesh.Define(self.stage, f"{path}/Mesh"), self.shape_tool.GetShape_s(label))
            self.meshes[key] = path
        return self.meshes[key]


def write_mesh(mesh, shape):
    """Copies the triangulations of all faces into one mesh."""
    points, indices = [], []
    explorer = TopExp_Explorer(shape, TopAbs_FACE)
    while explorer.More():
        face = TopoDS.Face(explorer.Current())
        location = TopLoc_Location()
        triangulation = BRep_Tool.Triangulation_s(face, location)
        explorer.Next()
        if triangulation is None:
            continue
        transform = location.Transformation()
        first = len(points) - 1
        for node in range(1, triangulation.NbNodes() + 1):
            point = triangulation.Node(node).Transformed(transform)
            points.append((point.X(), point.Y(), point.Z()))
        reversed_face = face.Orientation() == TopAbs_REVERSED
        for triangle in range(1, triangulation.NbTriangles() + 1):
            a, b, c = triangulation.Triangle(triangle).Get()
            corners = (a, c, b) if reversed_face else (a, b, c)
            indices.extend(first + corner for corner in corners)
    mesh.CreatePointsAttr(Vt.Vec3fArray(points))
    mesh.CreateFaceVertexCountsAttr(Vt.IntArray([3] * (len(indices) // 3)))
    mesh.CreateFaceVertexIndicesAttr(Vt.IntArray(indices))
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    if points:
        mesh.CreateExtentAttr(UsdGeom.Mesh.ComputeExtent(mesh.GetPointsAttr().Get()))


def main() -> None:
    source, target, linear_mm, angular_rad = sys.argv[1:]
    document, shape_tool = read_document(source)
    for shape in free_shapes(shape_tool):
        BRepMesh_IncrementalMesh(shape, float(linear_mm), False, float(angular_rad), True)
    stage = Usd.Stage.CreateNew(target)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 0.001)
    stage.CreateClassPrim("/Parts")
    root = UsdGeom.Xform.Define(stage, "/Model")
    stage.SetDefaultPrim(root.GetPrim())
    writer = Writer(stage, shape_tool)
    for label in free_labels(shape_tool):
        writer.occurrence(label, root.GetPath())
    stage.GetRootLayer().Save()
    del document


main()
