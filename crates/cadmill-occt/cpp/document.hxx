// A STEP file in the kernel: reading, transfer to an XCAF document, traversal, and meshing.
#pragma once

#include "compat.hxx"
#include "guard.hxx"
#include "rust/cxx.h"

#include <Quantity_ColorRGBA.hxx>
#include <TDocStd_Document.hxx>
#include <TopTools_DataMapOfShapeInteger.hxx>
#include <TopoDS_Shape.hxx>

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace cadmill {

struct Tree;
struct Measure;
struct Deflections;

using Rgba = std::array<float, 4>;

// Triangles of one colour, in metres. `color` is empty if the file assigns none.
struct Primitive {
  std::optional<Rgba> color;
  std::vector<float> positions;
  std::vector<float> normals;
  std::vector<std::uint32_t> indices;
};

// The mesh of a part, with one primitive per colour in the order of its faces.
class PartMesh {
public:
  std::size_t primitives() const { return all.size(); }
  bool has_color(std::size_t i) const { return all[i].color.has_value(); }
  Rgba color(std::size_t i) const { return all[i].color.value_or(Rgba{}); }
  rust::Slice<const float> positions(std::size_t i) const { return slice(all[i].positions); }
  rust::Slice<const float> normals(std::size_t i) const { return slice(all[i].normals); }
  rust::Slice<const std::uint32_t> indices(std::size_t i) const { return slice(all[i].indices); }
  std::uint64_t unmeshed() const { return unmeshed_faces; }

  std::vector<Primitive> all;
  std::uint64_t unmeshed_faces = 0;

private:
  template <typename T> static rust::Slice<const T> slice(const std::vector<T> &v) {
    return {v.data(), v.size()};
  }
};

// A shape that is meshed separately. Bodies that share no topology may be meshed concurrently, also
// while others are being transferred.
class Body {
public:
  Body(const TopoDS_Shape &shape, std::size_t index) : shape(shape), position(index) {}

  std::size_t index() const { return position; }
  const TopoDS_Shape &whole() const { return shape; }
  double diagonal() const;
  void mesh(const Deflections &deflections) const;
  Measure measure(bool parallel) const;

private:
  TopoDS_Shape shape;
  std::size_t position;
};

// A distinct part: its shape, and the colours that the file assigns to it and its subshapes.
struct PartShape {
  TopoDS_Shape shape;
  std::optional<Rgba> color;
  TopTools_DataMapOfShapeInteger sub_colors;
  std::vector<Rgba> palette;
};

// Not thread-safe.
//
// A file is read, and its leaves (products that contain no others) are transferred one by one, then
// the rest. `next_body` returns the bodies found so far, which can be meshed at the same time. Once
// all are meshed, `extract` returns the triangles of the parts that `walk` found.
class Document {
public:
  Document();
  void read(std::int32_t descriptor);
  std::size_t leaves() const { return leaf_products.size(); }
  void transfer_leaf(std::size_t leaf);
  void transfer();
  Tree walk();
  std::shared_ptr<Body> next_body();
  std::unique_ptr<PartMesh> extract(std::size_t part) const;

private:
  friend class TreeWalk;

  void forget_other_files() const;
  std::size_t add_body(const TopoDS_Shape &shape);
  void add_bodies(const TopoDS_Shape &shape);
  void keep_back_what_others_share(std::size_t leaf);

  CafReader reader;
  Handle(TDocStd_Document) document;
  std::vector<Handle(Standard_Transient)> leaf_products;
  TopTools_DataMapOfShapeInteger body_of_shape;
  std::deque<std::shared_ptr<Body>> fresh;
  // Bodies of leaves that share topology with an earlier leaf; released after the transfer.
  std::vector<std::shared_ptr<Body>> kept_back;
  // Face or edge → the first leaf that contains it.
  std::unordered_map<const TopoDS_TShape *, std::size_t> leaf_of_topology;
  std::vector<PartShape> parts;
};

std::unique_ptr<Document> new_document();
// Installs the fault handlers, silences the kernel's messages (standard output is the protocol), and
// sets the size of its thread pool. Must be called once, before everything else.
void prepare_kernel(std::size_t threads);
rust::String kernel_version();

} // namespace cadmill
