// Computes the exact area and volume of a body from its surfaces.
//
// Both integrals over a face are converted to line integrals over its boundary in the parameter
// plane (Green's theorem): with F(u, v) = ∫ f du, the integral of f over the face equals that of F
// dv along its boundary. F has a closed form for elementary surfaces and is integrated numerically
// per knot span for others. BRepGProp evaluates the surface at every point of a double sum instead,
// which takes longer than meshing.
#include "document.hxx"

#include "bounds.hxx"
#include "cadmill-occt/src/kernel/bridge.rs.h"
#include "compat.hxx"

#include <BRepAdaptor_Surface.hxx>
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

// Gauss points per interval of a boundary curve, and per knot span of a surface. Both are increased
// for surfaces of a higher degree.
constexpr int BOUNDARY_POINTS = 10;
constexpr int SPAN_POINTS = 6;
constexpr int CUBIC = 3;

int degree(const BRepAdaptor_Surface &surface, bool along_u) {
  switch (surface.GetType()) {
  case GeomAbs_BezierSurface:
  case GeomAbs_BSplineSurface:
    return along_u ? surface.UDegree() : surface.VDegree();
  case GeomAbs_SurfaceOfRevolution:
  case GeomAbs_SurfaceOfExtrusion:
  case GeomAbs_OffsetSurface:
  case GeomAbs_OtherSurface:
    return 2 * CUBIC; // Not a polynomial, but smooth.
  default:
    return CUBIC;
  }
}

int beyond_cubic(int degree) { return std::max(0, degree - CUBIC); }

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

// The area, and three times the volume between the face and the origin.
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
      : surface(surface), rule(SPAN_POINTS + beyond_cubic(degree(surface, true))),
        first(surface.FirstUParameter()) {
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

  // Returns the parameters that divide a boundary curve into pieces on which F is smooth: the knots
  // of the curve, and between these as many steps as it crosses knots of the surface (the exact
  // parameters if it is a line).
  std::vector<double> smooth_pieces(const Geom2dAdaptor_Curve &curve) const {
    TColStd_Array1OfReal knots(1, curve.NbIntervals(GeomAbs_CN) + 1);
    curve.Intervals(knots, GeomAbs_CN);
    std::vector<double> pieces{knots.First()};
    for (Standard_Integer i = 1; i < knots.Length(); ++i) {
      const double from = knots(i), to = knots(i + 1);
      if (v_knots.empty()) {
        pieces.push_back(to);
      } else if (curve.GetType() == GeomAbs_Line) {
        add_crossings(curve.Line(), from, to, pieces);
      } else {
        const std::ptrdiff_t crossed = knots_between(curve.Value(from).Y(), curve.Value(to).Y());
        for (std::ptrdiff_t step = 1; step <= crossed + 1; ++step) {
          pieces.push_back(from + (to - from) * static_cast<double>(step) /
                                      static_cast<double>(crossed + 1));
        }
      }
    }
    return pieces;
  }

private:
  const BRepAdaptor_Surface &surface;
  GaussRule rule;
  // The location of the surface in its own axes, and whether these are right-handed.
  double px = 0.0, py = 0.0, pz = 0.0, hand = 1.0;
  double major = 0.0, minor = 0.0, angle = 0.0;
  double first;
  std::vector<double> u_knots, v_knots;

  static void add_crossings(const gp_Lin2d &line, double from, double to, double knot,
                            std::vector<double> &into) {
    const double t = (knot - line.Location().Y()) / line.Direction().Y();
    if (t > from && t < to) {
      into.push_back(t);
    }
  }

  void add_crossings(const gp_Lin2d &line, double from, double to,
                     std::vector<double> &pieces) const {
    const std::size_t first_new = pieces.size();
    for (const double knot : v_knots) {
      add_crossings(line, from, to, knot, pieces);
    }
    std::sort(pieces.begin() + static_cast<std::ptrdiff_t>(first_new), pieces.end());
    pieces.push_back(to);
  }

  std::ptrdiff_t knots_between(double a, double b) const {
    return std::count_if(v_knots.begin(), v_knots.end(), [a, b](double knot) {
      return knot > std::min(a, b) && knot < std::max(a, b);
    });
  }

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
    u_knots.assign(knots.begin(), knots.end());
    TColStd_Array1OfReal others(1, surface.NbVIntervals(GeomAbs_CN) + 1);
    surface.VIntervals(others, GeomAbs_CN);
    v_knots.assign(others.begin(), others.end());
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
    for (const double knot : u_knots) {
      if (knot > from && knot < u) {
        add(knot);
      }
    }
    add(u);
    return sum;
  }
};

// Computes the integrals over one face with respect to its orientation.
Integrals integrate(const TopoDS_Face &face) {
  const BRepAdaptor_Surface surface(face);
  const GaussRule rule(BOUNDARY_POINTS + 2 * beyond_cubic(degree(surface, false)));
  const Antiderivative antiderivative(surface);
  const TopoDS_Shape forward = face.Oriented(TopAbs_FORWARD);
  Integrals sum;
  for (TopExp_Explorer edges(forward, TopAbs_EDGE); edges.More(); edges.Next()) {
    const TopoDS_Edge &edge = TopoDS::Edge(edges.Current());
    if (edge.Orientation() != TopAbs_FORWARD && edge.Orientation() != TopAbs_REVERSED) {
      continue; // An edge inside the face is not part of the boundary.
    }
    double from = 0.0, to = 0.0;
    const Handle(Geom2d_Curve) curve =
        BRep_Tool::CurveOnSurface(edge, TopoDS::Face(forward), from, to);
    if (curve.IsNull()) {
      continue;
    }
    const Geom2dAdaptor_Curve adaptor(curve, from, to);
    if (adaptor.GetType() == GeomAbs_Line && std::abs(adaptor.Line().Direction().Y()) < 1.0e-12) {
      continue; // v is constant along the curve.
    }
    const std::vector<double> pieces = antiderivative.smooth_pieces(adaptor);
    Integrals along;
    for (std::size_t i = 0; i + 1 < pieces.size(); ++i) {
      rule.over(pieces[i], pieces[i + 1], [&](double t, double weight) {
        gp_Pnt2d point;
        gp_Vec2d tangent;
        adaptor.D1(t, point, tangent);
        along += antiderivative.at(point.X(), point.Y()) * (weight * tangent.Y());
      });
    }
    sum += along * (edge.Orientation() == TopAbs_REVERSED ? -1.0 : 1.0);
  }
  // A mirrored surface keeps its parameters, so its normal is inverted.
  if (face.Orientation() == TopAbs_REVERSED) {
    sum.volume = -sum.volume;
  }
  return sum;
}

} // namespace

Measure Body::measure(bool parallel) const {
  struct Side {
    TopoDS_Face face;
    bool encloses;
  };
  std::vector<Side> faces;
  for (TopExp_Explorer shells(shape, TopAbs_SHELL); shells.More(); shells.Next()) {
    const bool closed = BRep_Tool::IsClosed(shells.Current());
    for (TopExp_Explorer found(shells.Current(), TopAbs_FACE); found.More(); found.Next()) {
      faces.push_back({TopoDS::Face(found.Current()), closed});
    }
  }
  for (TopExp_Explorer loose(shape, TopAbs_FACE, TopAbs_SHELL); loose.More(); loose.Next()) {
    faces.push_back({TopoDS::Face(loose.Current()), false});
  }
  std::vector<Integrals> each(faces.size());
  OSD_Parallel::For(
      0, static_cast<int>(faces.size()),
      [&](int i) {
        const auto face = static_cast<std::size_t>(i);
        each[face] = integrate(faces[face].face);
      },
      !parallel);
  // Summed in the order of the faces, so that the result does not depend on the number of threads.
  Integrals sum;
  for (std::size_t i = 0; i < each.size(); ++i) {
    sum.area += each[i].area;
    sum.volume += faces[i].encloses ? each[i].volume : 0.0;
  }
  Measure measure{};
  measure.area = sum.area;
  measure.volume = sum.volume / 3.0;
  const Bnd_Box box = exact_box(shape);
  if (!box.IsVoid()) {
    measure.has_box = true;
    box.Get(measure.min[0], measure.min[1], measure.min[2], measure.max[0], measure.max[1],
            measure.max[2]);
  }
  return measure;
}

} // namespace cadmill
