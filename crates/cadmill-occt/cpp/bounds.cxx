#include "bounds.hxx"

#include "cadmill-occt/src/kernel/bridge.rs.h"
#include "compat.hxx"
#include "document.hxx"

#include <BRepAdaptor_Curve.hxx>
#include <BRepAdaptor_Surface.hxx>
#include <BRepBndLib.hxx>
#include <BRepTopAdaptor_FClass2d.hxx>
#include <BRep_Tool.hxx>
#include <BndLib_Add3dCurve.hxx>
#include <TopExp.hxx>
#include <TopExp_Explorer.hxx>
#include <TopTools_IndexedMapOfShape.hxx>
#include <TopoDS.hxx>
#include <TopoDS_Edge.hxx>
#include <TopoDS_Face.hxx>

#include <cmath>

namespace cadmill {

namespace {

// Computes the exact box of a meshed shape. The box of the mesh is too small by at most the
// deflection. Cheap outer bounds determine which edges and faces can reach beyond it, and only on
// these the extreme is searched for, starting at the nearest node of the mesh.
class ExactBox {
public:
  explicit ExactBox(const TopoDS_Shape &shape) {
    BRepBndLib::Add(shape, box, Standard_True);
    if (box.IsVoid()) {
      return;
    }
    box.SetGap(0.0);
    TopTools_IndexedMapOfShape edges, faces;
    TopExp::MapShapes(shape, TopAbs_EDGE, edges);
    TopExp::MapShapes(shape, TopAbs_FACE, faces);
    for (Standard_Integer i = 1; i <= edges.Extent(); ++i) {
      add(TopoDS::Edge(edges.FindKey(i)));
    }
    for (Standard_Integer i = 1; i <= faces.Extent(); ++i) {
      add(TopoDS::Face(faces.FindKey(i)));
    }
  }

  Bnd_Box box;

private:
  static constexpr double TOLERANCE_MM = 1.0e-6;

  // Whether `outer` reaches beyond the box on this side: 0 to 2 are minimum x, y, z; 3 to 5 are
  // maximum.
  bool reaches_beyond(const Bnd_Box &outer, int side) const {
    if (outer.IsVoid()) {
      return false;
    }
    const gp_Pnt own = side < 3 ? box.CornerMin() : box.CornerMax();
    const gp_Pnt other = side < 3 ? outer.CornerMin() : outer.CornerMax();
    const double beyond = other.Coord(side % 3 + 1) - own.Coord(side % 3 + 1);
    return (side < 3 ? -beyond : beyond) > TOLERANCE_MM;
  }

  bool reaches_beyond(const Bnd_Box &outer) const {
    for (int side = 0; side < 6; ++side) {
      if (reaches_beyond(outer, side)) {
        return true;
      }
    }
    return false;
  }

  void add(const TopoDS_Edge &edge) {
    if (BRep_Tool::Degenerated(edge) || !BRep_Tool::IsGeometric(edge)) {
      return;
    }
    const BRepAdaptor_Curve curve(edge);
    if (Precision::IsInfinite(curve.FirstParameter()) ||
        Precision::IsInfinite(curve.LastParameter())) {
      return;
    }
    Bnd_Box outer;
    BndLib_Add3dCurve::Add(curve, 0.0, outer);
    outer.SetGap(0.0);
    if (!reaches_beyond(outer)) {
      return;
    }
    if (curve.GetType() > GeomAbs_Ellipse) {
      // The poles bound the curve.
      outer.SetVoid();
      BndLib_Add3dCurve::AddOptimal(curve, TOLERANCE_MM, outer);
      outer.SetGap(0.0);
    }
    box.Add(outer);
  }

  void add(const TopoDS_Face &face) {
    TopLoc_Location location;
    const Handle(Poly_Triangulation) &mesh = BRep_Tool::Triangulation(face, location);
    if (mesh.IsNull() || !mesh->HasUVNodes()) {
      return;
    }
    const BRepAdaptor_Surface surface(face);
    if (surface.GetType() == GeomAbs_Plane) {
      return; // Its extremes are on its edges.
    }
    Bnd_Box outer;
    BRepBndLib::Add(face, outer, Standard_False);
    outer.SetGap(0.0);
    for (int side = 0; side < 6; ++side) {
      if (reaches_beyond(outer, side)) {
        search(face, surface, *mesh, location.Transformation(), side);
      }
    }
  }

  // Newton's method on the surface for the point whose normal is parallel to the axis of `side`.
  void search(const TopoDS_Face &face, const BRepAdaptor_Surface &surface,
              const Poly_Triangulation &mesh, const gp_Trsf &transform, int side) {
    constexpr int STEPS = 20;
    const int axis = side % 3 + 1;
    const double sign = side < 3 ? -1.0 : 1.0;
    gp_Pnt2d uv;
    double best = -Precision::Infinite();
    for (Standard_Integer i = 1; i <= mesh.NbNodes(); ++i) {
      const double height = sign * mesh.Node(i).Transformed(transform).Coord(axis);
      if (height > best) {
        best = height;
        uv = mesh.UVNode(i);
      }
    }
    gp_Pnt point;
    for (int step = 0; step < STEPS; ++step) {
      gp_Vec du, dv, duu, dvv, duv;
      surface.D2(uv.X(), uv.Y(), point, du, dv, duu, dvv, duv);
      const double fu = du.Coord(axis), fv = dv.Coord(axis);
      const double fuu = duu.Coord(axis), fvv = dvv.Coord(axis), fuv = duv.Coord(axis);
      const double determinant = fuu * fvv - fuv * fuv;
      if (!(std::abs(determinant) > 1.0e-300)) {
        return;
      }
      const gp_XY move((fv * fuv - fu * fvv) / determinant, (fu * fuv - fv * fuu) / determinant);
      uv.ChangeCoord() += move;
      if (move.Modulus() < Precision::PConfusion()) {
        break;
      }
    }
    // If the search diverged, the point must not be classified, since the classifier would reduce a
    // distant parameter period by period.
    const bool in_bounds =
        uv.X() >= surface.FirstUParameter() && uv.X() <= surface.LastUParameter() &&
        uv.Y() >= surface.FirstVParameter() && uv.Y() <= surface.LastVParameter();
    if (!in_bounds || sign * point.Coord(axis) <= best) {
      return;
    }
    BRepTopAdaptor_FClass2d inside(face, Precision::PConfusion());
    if (inside.Perform(uv) == TopAbs_IN) {
      box.Add(surface.Value(uv.X(), uv.Y()));
    }
  }
};

} // namespace

Bnd_Box exact_box(const TopoDS_Shape &shape) { return ExactBox(shape).box; }

// A lower bound of the diagonal from points on all edges, which needs no mesh.
double Body::diagonal() const {
  constexpr int POINTS = 8;
  Bnd_Box box;
  for (TopExp_Explorer edges(shape, TopAbs_EDGE); edges.More(); edges.Next()) {
    const TopoDS_Edge &edge = TopoDS::Edge(edges.Current());
    if (BRep_Tool::Degenerated(edge) || !BRep_Tool::IsGeometric(edge)) {
      continue;
    }
    const BRepAdaptor_Curve curve(edge);
    const double from = curve.FirstParameter(), to = curve.LastParameter();
    if (Precision::IsInfinite(from) || Precision::IsInfinite(to)) {
      continue;
    }
    for (int i = 0; i <= POINTS; ++i) {
      box.Add(curve.Value(from + (to - from) * i / POINTS));
    }
  }
  return box.IsVoid() ? 0.0 : std::sqrt(box.SquareExtent());
}

} // namespace cadmill
