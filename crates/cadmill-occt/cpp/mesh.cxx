// Meshes a part and extracts its triangles.
#include "document.hxx"

#include "cadmill-occt/src/kernel/bridge.rs.h"
#include "compat.hxx"

#include <BRepMesh_IncrementalMesh.hxx>
#include <BRep_Tool.hxx>
#include <GeomLib.hxx>
#include <Geom_Plane.hxx>
#include <TopoDS.hxx>
#include <TopoDS_Face.hxx>
#include <TopoDS_Iterator.hxx>
#include <gp_Vec.hxx>

#include <algorithm>
#include <map>

namespace cadmill {

namespace {

constexpr double METRES_PER_MM = 0.001;

// Extracts the triangles of a part from its faces.
class Extraction {
public:
  Extraction(const PartShape &part, PartMesh &mesh) : part(part), mesh(mesh) {}

  void run() {
    std::vector<std::pair<TopoDS_Shape, int>> pending = {{part.shape, NO_COLOR}};
    while (!pending.empty()) {
      auto [shape, color] = pending.back();
      pending.pop_back();
      if (const Standard_Integer *own = part.sub_colors.Seek(shape)) {
        color = *own;
      }
      if (shape.ShapeType() == TopAbs_FACE) {
        add(TopoDS::Face(shape), color);
        continue;
      }
      if (shape.ShapeType() > TopAbs_FACE) {
        continue; // A loose wire, edge or vertex has no surface.
      }
      const std::size_t first = pending.size();
      for (TopoDS_Iterator children(shape); children.More(); children.Next()) {
        pending.emplace_back(children.Value(), color);
      }
      std::reverse(pending.begin() + static_cast<std::ptrdiff_t>(first), pending.end());
    }
  }

private:
  static constexpr int NO_COLOR = -1;

  const PartShape &part;
  PartMesh &mesh;
  std::map<std::optional<Rgba>, std::size_t> primitive_of_color;

  Primitive &primitive(int color) {
    const std::optional<Rgba> rgba =
        color == NO_COLOR ? part.color : part.palette[static_cast<std::size_t>(color)];
    const auto [place, added] = primitive_of_color.try_emplace(rgba, mesh.all.size());
    if (added) {
      mesh.all.push_back({rgba, {}, {}, {}});
    }
    return mesh.all[place->second];
  }

  void add(const TopoDS_Face &face, int color) {
    TopLoc_Location location;
    const Handle(Poly_Triangulation) &found = BRep_Tool::Triangulation(face, location);
    if (found.IsNull() || found->NbTriangles() == 0) {
      ++mesh.unmeshed_faces;
      return;
    }
    const gp_Trsf &transform = location.Transformation();
    const bool reversed = face.Orientation() == TopAbs_REVERSED;
    const bool mirrored = transform.VectorialPart().Determinant() < 0.0;

    Primitive &into = primitive(color);
    const std::size_t first = into.positions.size() / 3;
    const Standard_Integer nodes = found->NbNodes();
    into.positions.reserve(into.positions.size() + 3 * static_cast<std::size_t>(nodes));
    for (Standard_Integer i = 1; i <= nodes; ++i) {
      const gp_Pnt point = found->Node(i).Transformed(transform);
      push(into.positions, point.XYZ() * METRES_PER_MM);
    }
    into.indices.reserve(into.indices.size() + 3 * static_cast<std::size_t>(found->NbTriangles()));
    for (Standard_Integer i = 1; i <= found->NbTriangles(); ++i) {
      Standard_Integer a = 0, b = 0, c = 0;
      found->Triangle(i).Get(a, b, c);
      if (reversed != mirrored) {
        std::swap(b, c);
      }
      for (const Standard_Integer node : {a, b, c}) {
        into.indices.push_back(static_cast<std::uint32_t>(first) +
                               static_cast<std::uint32_t>(node) - 1);
      }
    }
    add_normals(face, *found, transform, reversed, into);
  }

  // Where the surface has no normal (the tip of a cone), it stays zero and is computed in Rust.
  static void add_normals(const TopoDS_Face &face, const Poly_Triangulation &found,
                          const gp_Trsf &transform, bool reversed, Primitive &into) {
    TopLoc_Location ignored;
    const Handle(Geom_Surface) &surface = BRep_Tool::Surface(face, ignored);
    const double sign = reversed ? -1.0 : 1.0;
    const Standard_Integer nodes = found.NbNodes();
    into.normals.reserve(into.normals.size() + 3 * static_cast<std::size_t>(nodes));

    const auto plane = Handle(Geom_Plane)::DownCast(surface);
    if (!plane.IsNull()) {
      const gp_Vec normal = plane->Pln().Axis().Direction();
      // The axis of a left-handed plane is opposite to the product of its derivatives.
      const double hand = plane->Pln().Direct() ? sign : -sign;
      const gp_XYZ rounded =
          (gp_Vec(normal.XYZ() * hand).Transformed(transform)).Normalized().XYZ();
      for (Standard_Integer i = 1; i <= nodes; ++i) {
        push(into.normals, rounded);
      }
      return;
    }
    for (Standard_Integer i = 1; i <= nodes; ++i) {
      gp_Dir normal;
      const bool defined = !surface.IsNull() && found.HasUVNodes() &&
                           GeomLib::NormEstim(surface, found.UVNode(i), 1.0e-7, normal) <= 1;
      push(into.normals, defined
                             ? gp_Vec(normal.XYZ() * sign).Transformed(transform).Normalized().XYZ()
                             : gp_XYZ(0.0, 0.0, 0.0));
    }
  }

  static void push(std::vector<float> &into, const gp_XYZ &xyz) {
    into.push_back(static_cast<float>(xyz.X()));
    into.push_back(static_cast<float>(xyz.Y()));
    into.push_back(static_cast<float>(xyz.Z()));
  }
};

} // namespace

void Body::mesh(const Deflections &deflections) const {
  IMeshTools_Parameters parameters;
  parameters.Deflection = deflections.linear;
  parameters.Angle = deflections.angular;
  parameters.InParallel = deflections.parallel;
  BRepMesh_IncrementalMesh mesher(shape, parameters);
}

std::unique_ptr<PartMesh> Document::extract(std::size_t part) const {
  auto mesh = std::make_unique<PartMesh>();
  Extraction(parts.at(part), *mesh).run();
  return mesh;
}

} // namespace cadmill
