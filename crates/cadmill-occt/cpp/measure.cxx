// Measures a part on its exact surfaces: area, volume and bounding box.
//
// Both integrals over a face are turned into line integrals over its boundary in the parameter
// plane (Green's theorem): with F(u, v) = ∫ f du, the integral of f over the face is that of
// F dv along its boundary. For the elementary surfaces F is known in closed form; for the others
// it is integrated knot span by knot span. BRepGProp evaluates the surface at every point of a
// double sum instead, and takes longer than the meshing.
#include "document.hxx"

#include "compat.hxx"
#include "cadmill-occt/src/kernel/bridge.rs.h"

#include <BRepAdaptor_Curve.hxx>
#include <BRepAdaptor_Surface.hxx>
#include <BRepBndLib.hxx>
#include <BRepTools.hxx>
#include <BRep_Tool.hxx>
#include <Bnd_Box.hxx>
#include <Geom2dAdaptor_Curve.hxx>
#include <TColStd_Array1OfReal.hxx>
#include <TopExp_Explorer.hxx>
#include <TopoDS.hxx>
#include <TopoDS_Edge.hxx>
#include <TopoDS_Face.hxx>
#include <gp_Ax3.hxx>
#include <math.hxx>
#include <math_Vector.hxx>

#include <algorithm>
#include <cmath>

namespace cadmill {

namespace {

// Points of the Gauss rule per interval of a boundary curve, and per knot span of a surface.
constexpr int BOUNDARY_POINTS = 10;
constexpr int SPAN_POINTS = 6;

// Nodes and weights of the Gauss–Legendre rule on [-1, 1].
struct GaussRule {
  explicit GaussRule(int count) : nodes(1, count), weights(1, count) {
    math::GaussPoints(count, nodes);
    math::GaussWeights(count, weights);
  }

  template <typename Each> void over(double from, double to, Each &&each) const {
    const double middle = 0.5 * (from + to), half = 0.5 * (to - from);
    for (Standard_Integer i = 1; i <= nodes.Length(); ++i) {
      each(middle + half * nodes(i), half * weights(i));
    }
  }

  math_Vector nodes, weights;
};

// Area, and three times the volume that the face spans with the origin.
struct Integrals {
  double area = 0.0;
  double volume = 0.0;

  Integrals &operator+=(const Integrals &other) {
    area += other.area;
    volume += other.volume;
    return *this;
  }
  Integrals operator*(double factor) const { return {area * factor, volume * factor}; }
};

// F(u, v) for one face.
class Antiderivative {
public:
  explicit Antiderivative(const BRepAdaptor_Surface &surface)
      : surface(surface), rule(SPAN_POINTS), first(surface.FirstUParameter()) {
    switch (surface.GetType()) {
    case GeomAbs_Plane:
      set_axes(surface.Plane().Position());
      break;
    case GeomAbs_Cylinder:
      set_axes(surface.Cylinder().Position());
      major = surface.Cylinder().Radius();
      break;
    case GeomAbs_Cone:
      set_axes(surface.Cone().Position());
      major = surface.Cone().RefRadius();
      angle = surface.Cone().SemiAngle();
      break;
    case GeomAbs_Sphere:
      set_axes(surface.Sphere().Position());
      major = surface.Sphere().Radius();
      break;
    case GeomAbs_Torus:
      set_axes(surface.Torus().Position());
      major = surface.Torus().MajorRadius();
      minor = surface.Torus().MinorRadius();
      break;
    default:
      set_spans();
    }
  }

  Integrals at(double u, double v) const {
    // `cross` is the integral of P·(cos u X + sin u Y).
    const double cross = px * std::sin(u) - py * std::cos(u);
    switch (surface.GetType()) {
    case GeomAbs_Plane:
      return {u, hand * u * pz};
    case GeomAbs_Cylinder:
      return {major * u, hand * major * (cross + major * u)};
    case GeomAbs_Cone: {
      const double s = std::sin(angle), c = std::cos(angle), radius = major + v * s;
      return {std::abs(radius) * u,
              hand * radius * (c * (cross + radius * u) - s * (pz + v * c) * u)};
    }
    case GeomAbs_Sphere: {
      const double s = std::sin(v), c = std::cos(v);
      return {major * major * std::abs(c) * u,
              hand * major * major * c * (c * cross + (s * pz + major) * u)};
    }
    case GeomAbs_Torus: {
      const double s = std::sin(v), c = std::cos(v), radius = major + minor * c;
      return {std::abs(radius) * minor * u,
              hand * radius * minor * (c * cross + (c * radius + s * pz + minor * s * s) * u)};
    }
    default:
      return numeric(u, v);
    }
  }

private:
  const BRepAdaptor_Surface &surface;
  GaussRule rule;
  // The origin of the surface in its own axes, and whether these are right-handed.
  double px = 0.0, py = 0.0, pz = 0.0, hand = 1.0;
  double major = 0.0, minor = 0.0, angle = 0.0;
  double first;
  std::vector<double> spans;

  void set_axes(const gp_Ax3 &axes) {
    const gp_XYZ origin = axes.Location().XYZ();
    px = origin.Dot(axes.XDirection().XYZ());
    py = origin.Dot(axes.YDirection().XYZ());
    pz = origin.Dot(axes.Direction().XYZ());
    hand = axes.Direct() ? 1.0 : -1.0;
    if (surface.GetType() == GeomAbs_Plane) {
      pz *= hand;
    }
  }

  void set_spans() {
    TColStd_Array1OfReal knots(1, surface.NbUIntervals(GeomAbs_CN) + 1);
    surface.UIntervals(knots, GeomAbs_CN);
    spans.assign(knots.begin(), knots.end());
  }

  Integrals numeric(double u, double v) const {
    Integrals sum;
    double from = first;
    const auto add = [&](double to) {
      rule.over(from, to, [&](double x, double weight) {
        gp_Pnt point;
        gp_Vec du, dv;
        surface.D1(x, v, point, du, dv);
        const gp_Vec normal = du.Crossed(dv);
        sum += Integrals{normal.Magnitude(), point.XYZ().Dot(normal.XYZ())} * weight;
      });
      from = to;
    };
    for (const double knot : spans) {
      if (knot > from && knot < u) {
        add(knot);
      }
    }
    add(u);
    return sum;
  }
};

// The integrals over one face, as seen from its own side.
Integrals integrate(const TopoDS_Face &face, const GaussRule &rule) {
  const BRepAdaptor_Surface surface(face);
  const Antiderivative antiderivative(surface);
  const TopoDS_Shape forward = face.Oriented(TopAbs_FORWARD);
  Integrals sum;
  for (TopExp_Explorer edges(forward, TopAbs_EDGE); edges.More(); edges.Next()) {
    const TopoDS_Edge &edge = TopoDS::Edge(edges.Current());
    if (edge.Orientation() != TopAbs_FORWARD && edge.Orientation() != TopAbs_REVERSED) {
      continue; // An edge inside the face bounds nothing.
    }
    double from = 0.0, to = 0.0;
    const Handle(Geom2d_Curve) curve =
        BRep_Tool::CurveOnSurface(edge, TopoDS::Face(forward), from, to);
    if (curve.IsNull()) {
      continue;
    }
    const Geom2dAdaptor_Curve adaptor(curve, from, to);
    if (adaptor.GetType() == GeomAbs_Line &&
        std::abs(adaptor.Line().Direction().Y()) < 1.0e-12) {
      continue; // v does not change along it.
    }
    TColStd_Array1OfReal knots(1, adaptor.NbIntervals(GeomAbs_CN) + 1);
    adaptor.Intervals(knots, GeomAbs_CN);
    Integrals along;
    for (Standard_Integer i = 1; i < knots.Length(); ++i) {
      rule.over(knots(i), knots(i + 1), [&](double t, double weight) {
        gp_Pnt2d point;
        gp_Vec2d tangent;
        adaptor.D1(t, point, tangent);
        along += antiderivative.at(point.X(), point.Y()) * (weight * tangent.Y());
      });
    }
    sum += along * (edge.Orientation() == TopAbs_REVERSED ? -1.0 : 1.0);
  }
  // Mirrored, a surface keeps its parameters, so its normal turns over.
  if (face.Orientation() == TopAbs_REVERSED) {
    sum.volume = -sum.volume;
  }
  return sum;
}

bool has_triangles(const TopoDS_Face &face) {
  TopLoc_Location location;
  const Handle(Poly_Triangulation) &found = BRep_Tool::Triangulation(face, location);
  return !found.IsNull() && found->NbTriangles() > 0;
}

// The exact box. Only faces whose mesh reaches the box of the whole mesh to within the deflection
// can reach beyond it, so only these are worth the search for their extremes.
Bnd_Box exact_box(const TopoDS_Shape &shape, double deflection) {
  Bnd_Box box;
  BRepBndLib::Add(shape, box, Standard_True);
  if (box.IsVoid()) {
    return box;
  }
  box.SetGap(0.0);
  std::array<double, 6> all{};
  box.Get(all[0], all[1], all[2], all[3], all[4], all[5]);
  for (TopExp_Explorer faces(shape, TopAbs_FACE); faces.More(); faces.Next()) {
    const TopoDS_Face &face = TopoDS::Face(faces.Current());
    if (!has_triangles(face) || BRepAdaptor_Surface(face, Standard_False).GetType() == GeomAbs_Plane) {
      continue; // The mesh of a plane ends at its edges, which neighbours share.
    }
    Bnd_Box mesh;
    BRepBndLib::Add(face, mesh, Standard_True);
    mesh.SetGap(0.0);
    std::array<double, 6> own{};
    mesh.Get(own[0], own[1], own[2], own[3], own[4], own[5]);
    bool outermost = false;
    for (std::size_t i = 0; i < 3; ++i) {
      outermost = outermost || own[i] - deflection < all[i] || own[i + 3] + deflection > all[i + 3];
    }
    if (outermost) {
      Bnd_Box exact;
      BRepBndLib::AddOptimal(face, exact, Standard_False, Standard_False);
      exact.SetGap(0.0);
      box.Add(exact);
    }
  }
  return box;
}

} // namespace

// A lower bound: the box of points on all edges. It is at hand before anything is meshed.
double Document::diagonal(std::size_t index) const {
  constexpr int POINTS = 8;
  Bnd_Box box;
  for (TopExp_Explorer edges(parts.at(index).shape, TopAbs_EDGE); edges.More(); edges.Next()) {
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

Measure Document::measure(std::size_t index, double deflection) const {
  const TopoDS_Shape &shape = parts.at(index).shape;
  const GaussRule rule(BOUNDARY_POINTS);
  Integrals sum;
  for (TopExp_Explorer faces(shape, TopAbs_FACE); faces.More(); faces.Next()) {
    sum += integrate(TopoDS::Face(faces.Current()), rule);
  }
  Measure measure{};
  measure.area = sum.area;
  measure.volume = sum.volume / 3.0;
  const Bnd_Box box = exact_box(shape, deflection);
  if (!box.IsVoid()) {
    measure.has_box = true;
    box.Get(measure.min[0], measure.min[1], measure.min[2], measure.max[0], measure.max[1],
            measure.max[2]);
  }
  return measure;
}

} // namespace cadmill
