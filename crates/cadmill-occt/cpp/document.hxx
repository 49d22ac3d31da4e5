// A STEP file inside the kernel: read, transferred to an XCAF document, walked, and meshed.
#pragma once

#include "guard.hxx"
#include "rust/cxx.h"

#include <Quantity_ColorRGBA.hxx>
#include <STEPCAFControl_Reader.hxx>
#include <TDF_Label.hxx>
#include <TDocStd_Document.hxx>
#include <TopTools_DataMapOfShapeInteger.hxx>
#include <TopTools_IndexedMapOfShape.hxx>
#include <TopoDS_Shape.hxx>
#include <XCAFDoc_ColorTool.hxx>
#include <XCAFDoc_ShapeTool.hxx>

#include <array>
#include <cstdint>
#include <map>
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

// Triangles of one colour. Metres; `color` is absent where the file gives none.
struct Primitive {
  std::optional<Rgba> color;
  std::vector<float> positions;
  std::vector<float> normals;
  std::vector<std::uint32_t> indices;
};

// The mesh of a part, one primitive per colour in the order of its faces.
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

// A distinct part: its shape and the colours that the file gives to it and to what it consists of.
struct PartShape {
  TopoDS_Shape shape;
  TDF_Label label;
  std::optional<Rgba> color;
  TopTools_DataMapOfShapeInteger sub_colors;
  std::vector<Rgba> palette;
  std::uint64_t faces = 0;
};

// Not thread-safe, but for `diagonal`, `mesh` and `measure`, which may run for several parts at once if these
// share no topology (`PartInfo::group`).
class Document {
public:
  Document();
  void read(rust::Str path);
  void transfer();
  Tree walk();
  double diagonal(std::size_t part) const;
  Measure measure(std::size_t part) const;
  std::unique_ptr<PartMesh> mesh(std::size_t part, const Deflections &deflections) const;

private:
  friend class TreeWalk;

  STEPCAFControl_Reader reader;
  Handle(TDocStd_Document) document;
  std::vector<PartShape> parts;
};

std::unique_ptr<Document> new_document();
// To be called once, before all else: signals become exceptions, the kernel's own messages are
// silenced (standard output is the protocol), and its thread pool gets `threads` threads.
void prepare_kernel(std::size_t threads);
rust::String kernel_version();

} // namespace cadmill
