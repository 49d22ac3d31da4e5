// What the generator of the sample files needs of the kernel: solids to model parts of, an XCAF
// document to put them in, and exact measures of what has been written.
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
struct Figures;

using Vector = std::array<double, 3>;
// The upper three rows of a matrix, row by row.
using Rows = std::array<double, 12>;

// A body or an open surface; millimetres. Every operation makes a new one.
class Solid {
public:
  explicit Solid(const TopoDS_Shape &shape) : shape(shape) {}

  const TopoDS_Shape shape;
};

std::unique_ptr<Solid> cuboid(Vector min, Vector max);
std::unique_ptr<Solid> cylinder(Vector start, Vector axis, double radius, double height);
std::unique_ptr<Solid> sphere(Vector center, double radius);
std::unique_ptr<Solid> torus(double ring, double tube);
// A closed outline in the plane of X and Y, drawn out along +Z.
std::unique_ptr<Solid> prism(rust::Slice<const Corner> outline, double height);
// A closed outline of radius (x) and height (y), turned round the Z axis.
std::unique_ptr<Solid> turned(rust::Slice<const Corner> outline);
// An open line of radius (x) and height (y), turned round the Z axis: a surface without thickness.
std::unique_ptr<Solid> turned_surface(rust::Slice<const Corner> line, double angle);
// A smooth surface through heights over a square grid.
std::unique_ptr<Solid> freeform_surface(rust::Slice<const double> heights, std::size_t columns,
                                        double spacing);

std::unique_ptr<Solid> fuse(const Solid &first, const Solid &second);
std::unique_ptr<Solid> cut(const Solid &from, const Solid &tool);
std::unique_ptr<Solid> common(const Solid &first, const Solid &second);
// Rounds or bevels the straight edges along an axis (or all edges, if it is zero) that lie within
// the region.
std::unique_ptr<Solid> fillet(const Solid &solid, const Region &within, Vector along,
                              double radius);
std::unique_ptr<Solid> chamfer(const Solid &solid, const Region &within, Vector along,
                               double width);
std::unique_ptr<Solid> moved(const Solid &solid, Rows placement);
// The mirror image in the plane of Y and Z: new geometry, with its normals outward again.
std::unique_ptr<Solid> mirrored(const Solid &solid);

// The document that is written: products (parts and assemblies) and their occurrences, named by the
// numbers that the calls return.
class Model {
public:
  Model();
  std::size_t add_part(rust::Str name, const Solid &solid);
  std::size_t add_assembly(rust::Str name);
  std::size_t place(std::size_t assembly, std::size_t product, Rows placement,
                    rust::Str designator);
  // Of a product, or of one occurrence only.
  void paint(std::size_t label, const Color &color);
  // Of the faces of a part that lie within the region.
  void paint_faces(std::size_t part, const Region &within, const Color &color);
  // Of one occurrence in one particular place: `path` leads down to it.
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

// Reads a STEP file back and measures its exact surfaces.
Figures measure(rust::Str path);

} // namespace cadmill::samples
