// The kernel functions of the sample generator: modelling solids, building an XCAF document from
// them, and measuring the written files.
#pragma once

#include "guard.hxx"
#include "rust/cxx.h"

#include <TDF_Label.hxx>
#include <TDocStd_Document.hxx>
#include <TopoDS_Shape.hxx>

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

namespace cadmill::samples {

struct Corner;
struct Region;
struct Color;
struct Header;
struct Measurements;

using Vector = std::array<double, 3>;
// The first three rows of a transformation matrix.
using Rows = std::array<double, 12>;

// A body or an open surface, in millimetres. Operations return new solids.
class Solid {
public:
  explicit Solid(const TopoDS_Shape &shape) : shape(shape) {}

  const TopoDS_Shape shape;
};

std::unique_ptr<Solid> cuboid(Vector min, Vector max);
std::unique_ptr<Solid> cylinder(Vector start, Vector axis, double radius, double height);
std::unique_ptr<Solid> sphere(Vector center, double radius);
std::unique_ptr<Solid> torus(double ring, double tube);
// Extrudes a closed outline in the XY plane along +Z.
std::unique_ptr<Solid> prism(rust::Slice<const Corner> outline, double height);
// Revolves a closed outline of radius (x) and height (y) about the Z axis.
std::unique_ptr<Solid> turned(rust::Slice<const Corner> outline);
// Revolves an open line of radius (x) and height (y) about the Z axis, which gives an open surface.
std::unique_ptr<Solid> turned_surface(rust::Slice<const Corner> line, double angle);
// Interpolates heights over a square grid by a smooth surface.
std::unique_ptr<Solid> freeform_surface(rust::Slice<const double> heights, std::size_t columns,
                                        double spacing);

std::unique_ptr<Solid> fuse(const Solid &first, const Solid &second);
std::unique_ptr<Solid> cut(const Solid &from, const Solid &tool);
std::unique_ptr<Solid> common(const Solid &first, const Solid &second);
// Rounds or bevels the straight edges in the region that are parallel to `along`, or all edges in
// the region if `along` is zero.
std::unique_ptr<Solid> fillet(const Solid &solid, const Region &within, Vector along,
                              double radius);
std::unique_ptr<Solid> chamfer(const Solid &solid, const Region &within, Vector along,
                               double width);
std::unique_ptr<Solid> moved(const Solid &solid, Rows placement);
// Mirrors at the YZ plane; the result is new geometry with outward normals.
std::unique_ptr<Solid> mirrored(const Solid &solid);

// The document to write: products (parts and assemblies) and their occurrences, identified by the
// numbers that the methods return.
class Model {
public:
  Model();
  std::size_t add_part(rust::Str name, const Solid &solid);
  std::size_t add_assembly(rust::Str name);
  std::size_t place(std::size_t assembly, std::size_t product, Rows placement,
                    rust::Str designator);
  // Paints a product or an occurrence.
  void paint(std::size_t label, const Color &color);
  // Paints the faces of a part that are in the region.
  void paint_faces(std::size_t part, const Region &within, const Color &color);
  // Paints an occurrence in a specific context: `path` is the chain of occurrences down to it.
  void paint_in_context(rust::Slice<const std::size_t> path, const Color &color);
  void put_on_layer(std::size_t label, rust::Str layer);
  // Density in kg/m³.
  void make_of(std::size_t part, rust::Str material, double density);
  void write(rust::Str path, const Header &header);

private:
  Handle(TDocStd_Document) document;
  std::vector<TDF_Label> labels;

  std::size_t number(const TDF_Label &label);
};

std::unique_ptr<Model> new_model();

// Reads a STEP file and measures its exact surfaces.
Measurements measure(rust::Str path);

} // namespace cadmill::samples
