// Models, writes and measures the sample files.
#include "samples.hxx"

#include "compat.hxx"
#include "cadmill-occt/src/samples/bridge.rs.h"

#include <APIHeaderSection_MakeHeader.hxx>
#include <BRepAdaptor_Curve.hxx>
#include <BRepAlgoAPI_Common.hxx>
#include <BRepAlgoAPI_Cut.hxx>
#include <BRepAlgoAPI_Fuse.hxx>
#include <BRepBndLib.hxx>
#include <BRepBuilderAPI_MakeFace.hxx>
#include <BRepBuilderAPI_MakePolygon.hxx>
#include <BRepBuilderAPI_Transform.hxx>
#include <BRepFilletAPI_MakeChamfer.hxx>
#include <BRepFilletAPI_MakeFillet.hxx>
#include <BRepGProp.hxx>
#include <BRepPrimAPI_MakeBox.hxx>
#include <BRepPrimAPI_MakeCylinder.hxx>
#include <BRepPrimAPI_MakePrism.hxx>
#include <BRepPrimAPI_MakeRevol.hxx>
#include <BRepPrimAPI_MakeSphere.hxx>
#include <BRepPrimAPI_MakeTorus.hxx>
#include <BRep_Builder.hxx>
#include <BRep_Tool.hxx>
#include <Bnd_Box.hxx>
#include <GProp_GProps.hxx>
#include <GeomAPI_PointsToBSplineSurface.hxx>
#include <Geom_BSplineSurface.hxx>
#include <Interface_Static.hxx>
#include <Precision.hxx>
#include <Quantity_ColorRGBA.hxx>
#include <STEPCAFControl_Reader.hxx>
#include <STEPCAFControl_Writer.hxx>
#include <STEPControl_Controller.hxx>
#include <ShapeUpgrade_UnifySameDomain.hxx>
#include <TColStd_Array2OfReal.hxx>
#include <TCollection_HAsciiString.hxx>
#include <TDF_LabelSequence.hxx>
#include <TDataStd_Name.hxx>
#include <TopExp.hxx>
#include <TopExp_Explorer.hxx>
#include <TopTools_IndexedMapOfShape.hxx>
#include <TopTools_MapOfShape.hxx>
#include <TopoDS.hxx>
#include <TopoDS_Shell.hxx>
#include <XCAFApp_Application.hxx>
#include <XCAFDoc_ColorTool.hxx>
#include <XCAFDoc_DocumentTool.hxx>
#include <XCAFDoc_GraphNode.hxx>
#include <XCAFDoc_LayerTool.hxx>
#include <XCAFDoc_MaterialTool.hxx>
#include <XCAFDoc_ShapeTool.hxx>
#include <gp_Ax2.hxx>
#include <gp_Trsf.hxx>

#include <set>
#include <string>

namespace cadmill::samples {

namespace {

std::unique_ptr<Solid> solid(const TopoDS_Shape &shape) { return std::make_unique<Solid>(shape); }

gp_Pnt point(const Vector &at) { return {at[0], at[1], at[2]}; }

gp_Dir direction(const Vector &along) { return {along[0], along[1], along[2]}; }

gp_Trsf transformation(const Rows &m) {
  gp_Trsf result;
  result.SetValues(m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7], m[8], m[9], m[10], m[11]);
  return result;
}

Quantity_ColorRGBA rgba(const Color &color) {
  const Quantity_Color rgb(color.red, color.green, color.blue, Quantity_TOC_sRGB);
  return Quantity_ColorRGBA(rgb, static_cast<float>(color.alpha));
}

TCollection_ExtendedString wide(rust::Str text) {
  return {std::string(text).c_str(), Standard_True};
}

Handle(TCollection_HAsciiString) ascii(const std::string &text) {
  return new TCollection_HAsciiString(text.c_str());
}

std::string utf8(const TCollection_ExtendedString &text) {
  std::string bytes(static_cast<std::size_t>(text.LengthOfCString()), '\0');
  Standard_PCharacter start = bytes.data();
  text.ToUTF8CString(start);
  return bytes;
}

Bnd_Box exact_box(const TopoDS_Shape &shape) {
  Bnd_Box box;
  BRepBndLib::AddOptimal(shape, box, Standard_False, Standard_False);
  box.SetGap(0.0);
  return box;
}

bool is_within(const TopoDS_Shape &shape, const Region &region) {
  constexpr double SLACK = 1e-4;
  const Bnd_Box box = exact_box(shape);
  if (box.IsVoid()) {
    return false;
  }
  const gp_Pnt min = box.CornerMin(), max = box.CornerMax();
  for (int axis = 1; axis <= 3; ++axis) {
    const auto i = static_cast<std::size_t>(axis - 1);
    if (min.Coord(axis) < region.min[i] - SLACK || max.Coord(axis) > region.max[i] + SLACK) {
      return false;
    }
  }
  return true;
}

std::vector<TopoDS_Shape> shapes_within(const TopoDS_Shape &shape, TopAbs_ShapeEnum kind,
                                        const Region &region) {
  TopTools_IndexedMapOfShape all;
  TopExp::MapShapes(shape, kind, all);
  std::vector<TopoDS_Shape> found;
  for (Standard_Integer i = 1; i <= all.Extent(); ++i) {
    if (is_within(all(i), region)) {
      found.push_back(all(i));
    }
  }
  return found;
}

std::vector<TopoDS_Edge> edges_along(const TopoDS_Shape &shape, const Region &region,
                                     const Vector &along) {
  const gp_Vec axis(along[0], along[1], along[2]);
  std::vector<TopoDS_Edge> found;
  for (const TopoDS_Shape &each : shapes_within(shape, TopAbs_EDGE, region)) {
    const TopoDS_Edge edge = TopoDS::Edge(each);
    const BRepAdaptor_Curve curve(edge);
    const bool any = axis.Magnitude() == 0.0;
    if (any || (curve.GetType() == GeomAbs_Line &&
                curve.Line().Direction().IsParallel(gp_Dir(axis), Precision::Angular()))) {
      found.push_back(edge);
    }
  }
  if (found.empty()) {
    throw Failure("kernel_error", "No edge lies within the region.");
  }
  return found;
}

// Boolean operations wrap a single body in a compound, which XCAF would treat as several.
std::unique_ptr<Solid> unwrapped(const TopoDS_Shape &shape) {
  TopTools_IndexedMapOfShape bodies;
  TopExp::MapShapes(shape, TopAbs_SOLID, bodies);
  return solid(bodies.Extent() == 1 ? bodies(1) : shape);
}

const TopoDS_Shape &result(BRepAlgoAPI_BooleanOperation &operation) {
  if (!operation.IsDone() || operation.HasErrors()) {
    throw Failure("kernel_error", "A Boolean operation failed.");
  }
  return operation.Shape();
}

BRepBuilderAPI_MakePolygon polygon(rust::Slice<const Corner> corners, bool upright) {
  BRepBuilderAPI_MakePolygon line;
  for (const Corner &corner : corners) {
    line.Add(upright ? gp_Pnt(corner.x, 0.0, corner.y) : gp_Pnt(corner.x, corner.y, 0.0));
  }
  return line;
}

TopoDS_Face face(rust::Slice<const Corner> outline, bool upright) {
  BRepBuilderAPI_MakePolygon line = polygon(outline, upright);
  line.Close();
  return BRepBuilderAPI_MakeFace(line.Wire(), Standard_True);
}

Handle(TDocStd_Document) empty_document() {
  Handle(TDocStd_Document) document;
  XCAFApp_Application::GetApplication()->NewDocument("BinXCAF", document);
  Interface_Static::SetCVal("xstep.cascade.unit", "MM");
  return document;
}

void set_header(const Handle(StepData_StepModel) & model, const Header &header) {
  APIHeaderSection_MakeHeader writer(model);
  writer.SetName(ascii(std::string(header.name)));
  writer.SetTimeStamp(ascii(std::string(header.time_stamp)));
  writer.SetAuthorValue(1, ascii(std::string(header.author)));
  writer.SetOrganizationValue(1, ascii(std::string(header.organization)));
  writer.SetOriginatingSystem(ascii(std::string(header.originating_system)));
  writer.SetDescriptionValue(1, ascii(std::string(header.description)));
}

void must_set(const char *parameter, rust::Str value) {
  if (!Interface_Static::SetCVal(parameter, std::string(value).c_str())) {
    throw Failure("kernel_error", std::string("The kernel does not support ") + parameter + ".");
  }
}

} // namespace

std::unique_ptr<Solid> cuboid(Vector min, Vector max) {
  return solid(BRepPrimAPI_MakeBox(point(min), point(max)).Solid());
}

std::unique_ptr<Solid> cylinder(Vector start, Vector axis, double radius, double height) {
  const gp_Ax2 place(point(start), direction(axis));
  return solid(BRepPrimAPI_MakeCylinder(place, radius, height).Solid());
}

std::unique_ptr<Solid> sphere(Vector center, double radius) {
  return solid(BRepPrimAPI_MakeSphere(point(center), radius).Solid());
}

std::unique_ptr<Solid> torus(double ring, double tube) {
  return solid(BRepPrimAPI_MakeTorus(ring, tube).Solid());
}

std::unique_ptr<Solid> prism(rust::Slice<const Corner> outline, double height) {
  return solid(BRepPrimAPI_MakePrism(face(outline, false), gp_Vec(0.0, 0.0, height)).Shape());
}

std::unique_ptr<Solid> turned(rust::Slice<const Corner> outline) {
  return solid(BRepPrimAPI_MakeRevol(face(outline, true), gp::OZ()).Shape());
}

std::unique_ptr<Solid> turned_surface(rust::Slice<const Corner> line, double angle) {
  return solid(BRepPrimAPI_MakeRevol(polygon(line, true).Wire(), gp::OZ(), angle).Shape());
}

std::unique_ptr<Solid> freeform_surface(rust::Slice<const double> heights, std::size_t columns,
                                        double spacing) {
  const auto width = static_cast<Standard_Integer>(columns);
  const auto depth = static_cast<Standard_Integer>(heights.size() / columns);
  TColStd_Array2OfReal grid(1, width, 1, depth);
  for (Standard_Integer column = 1; column <= width; ++column) {
    for (Standard_Integer row = 1; row <= depth; ++row) {
      grid(column, row) = heights[static_cast<std::size_t>((row - 1) * width + column - 1)];
    }
  }
  const GeomAPI_PointsToBSplineSurface through(grid, 0.0, spacing, 0.0, spacing);
  // The reader finds the layer of a shell, but not of a single face.
  TopoDS_Shell shell;
  const BRep_Builder builder;
  builder.MakeShell(shell);
  builder.Add(shell, BRepBuilderAPI_MakeFace(through.Surface(), Precision::Confusion()).Face());
  return solid(shell);
}

std::unique_ptr<Solid> fuse(const Solid &first, const Solid &second) {
  BRepAlgoAPI_Fuse operation(first.shape, second.shape);
  // Merges adjacent faces in the same plane.
  ShapeUpgrade_UnifySameDomain unify(result(operation));
  unify.Build();
  return unwrapped(unify.Shape());
}

std::unique_ptr<Solid> cut(const Solid &from, const Solid &tool) {
  BRepAlgoAPI_Cut operation(from.shape, tool.shape);
  return unwrapped(result(operation));
}

std::unique_ptr<Solid> common(const Solid &first, const Solid &second) {
  BRepAlgoAPI_Common operation(first.shape, second.shape);
  return unwrapped(result(operation));
}

std::unique_ptr<Solid> fillet(const Solid &from, const Region &within, Vector along,
                              double radius) {
  BRepFilletAPI_MakeFillet rounding(from.shape);
  for (const TopoDS_Edge &edge : edges_along(from.shape, within, along)) {
    rounding.Add(radius, edge);
  }
  return solid(rounding.Shape());
}

std::unique_ptr<Solid> chamfer(const Solid &from, const Region &within, Vector along,
                               double width) {
  BRepFilletAPI_MakeChamfer bevelling(from.shape);
  for (const TopoDS_Edge &edge : edges_along(from.shape, within, along)) {
    bevelling.Add(width, edge);
  }
  return solid(bevelling.Shape());
}

std::unique_ptr<Solid> moved(const Solid &from, Rows placement) {
  return solid(BRepBuilderAPI_Transform(from.shape, transformation(placement), true).Shape());
}

std::unique_ptr<Solid> mirrored(const Solid &from) {
  gp_Trsf mirror;
  mirror.SetMirror(gp_Ax2(gp::Origin(), gp::DX()));
  return solid(BRepBuilderAPI_Transform(from.shape, mirror, true).Shape());
}

std::unique_ptr<Model> new_model() { return std::make_unique<Model>(); }

Model::Model() : document(empty_document()) {}

std::size_t Model::number(const TDF_Label &label) {
  labels.push_back(label);
  return labels.size() - 1;
}

std::size_t Model::add_part(rust::Str name, const Solid &solid) {
  const auto shapes = XCAFDoc_DocumentTool::ShapeTool(document->Main());
  const TDF_Label label = shapes->AddShape(solid.shape, Standard_False);
  TDataStd_Name::Set(label, wide(name));
  return number(label);
}

std::size_t Model::add_assembly(rust::Str name) {
  const TDF_Label label = XCAFDoc_DocumentTool::ShapeTool(document->Main())->NewShape();
  TDataStd_Name::Set(label, wide(name));
  return number(label);
}

std::size_t Model::place(std::size_t assembly, std::size_t product, Rows placement,
                         rust::Str designator) {
  const auto shapes = XCAFDoc_DocumentTool::ShapeTool(document->Main());
  const TDF_Label label = shapes->AddComponent(labels.at(assembly), labels.at(product),
                                               TopLoc_Location(transformation(placement)));
  TDataStd_Name::Set(label, wide(designator));
  return number(label);
}

void Model::paint(std::size_t label, const Color &color) {
  const auto colors = XCAFDoc_DocumentTool::ColorTool(document->Main());
  colors->SetColor(labels.at(label), rgba(color), XCAFDoc_ColorSurf);
}

void Model::paint_faces(std::size_t part, const Region &within, const Color &color) {
  const auto shapes = XCAFDoc_DocumentTool::ShapeTool(document->Main());
  const auto colors = XCAFDoc_DocumentTool::ColorTool(document->Main());
  const TDF_Label label = labels.at(part);
  const auto faces = shapes_within(XCAFDoc_ShapeTool::GetShape(label), TopAbs_FACE, within);
  if (faces.empty()) {
    throw Failure("kernel_error", "No face lies within the region.");
  }
  for (const TopoDS_Shape &face : faces) {
    colors->SetColor(shapes->AddSubShape(label, face), rgba(color), XCAFDoc_ColorSurf);
  }
}

void Model::paint_in_context(rust::Slice<const std::size_t> path, const Color &color) {
  TDF_LabelSequence usages;
  for (const std::size_t step : path) {
    usages.Append(labels.at(step));
  }
  Handle(XCAFDoc_GraphNode) usage;
  const auto shapes = XCAFDoc_DocumentTool::ShapeTool(document->Main());
  if (!shapes->SetSHUO(usages, usage)) {
    throw Failure("kernel_error", "The path does not lead to an occurrence.");
  }
  const auto colors = XCAFDoc_DocumentTool::ColorTool(document->Main());
  colors->SetColor(usage->Label(), rgba(color), XCAFDoc_ColorSurf);
}

void Model::put_on_layer(std::size_t label, rust::Str layer) {
  XCAFDoc_DocumentTool::LayerTool(document->Main())->SetLayer(labels.at(label), wide(layer));
}

void Model::make_of(std::size_t part, rust::Str material, double density) {
  const auto materials = XCAFDoc_DocumentTool::MaterialTool(document->Main());
  materials->SetMaterial(labels.at(part), ascii(std::string(material)), ascii(""), density,
                         ascii("density measure"), ascii("POSITIVE_RATIO_MEASURE"));
}

void Model::write(rust::Str path, const Header &header) {
  XCAFDoc_DocumentTool::ShapeTool(document->Main())->UpdateAssemblies();
  // A writer reads schema and unit when it is created.
  STEPControl_Controller::Init();
  must_set("write.step.schema", header.schema);
  must_set("write.step.unit", header.unit);
  // Curves on surfaces can be recomputed; without them files are half as large.
  must_set("write.surfacecurve.mode", "0");
  STEPCAFControl_Writer writer;
  writer.SetColorMode(Standard_True);
  writer.SetNameMode(Standard_True);
  writer.SetLayerMode(Standard_True);
  writer.SetMaterialMode(Standard_True);
  writer.SetSHUOMode(Standard_True);
  writer.SetPropsMode(Standard_False);
  if (!writer.Transfer(document)) {
    throw Failure("kernel_error", "The kernel could not translate the model.");
  }
  set_header(writer.ChangeWriter().Model(), header);
  if (writer.Write(std::string(path).c_str()) != IFSelect_RetDone) {
    throw Failure("kernel_error", "The kernel could not write the file.");
  }
}

namespace {

// Counts the products below each root.
class Count {
public:
  void visit(const TDF_Label &place) {
    TDF_Label product = place;
    XCAFDoc_ShapeTool::GetReferredShape(place, product);
    Handle(TDataStd_Name) name;
    if (product.FindAttribute(TDataStd_Name::GetID(), name)) {
      names.insert(utf8(name->Get()));
    }
    if (!XCAFDoc_ShapeTool::IsAssembly(product)) {
      parts.Add(XCAFDoc_ShapeTool::GetShape(product));
      ++occurrences;
      return;
    }
    TDF_LabelSequence components;
    XCAFDoc_ShapeTool::GetComponents(product, components);
    for (Standard_Integer i = 1; i <= components.Length(); ++i) {
      visit(components.Value(i));
    }
  }

  TopTools_MapOfShape parts;
  std::size_t occurrences = 0;
  std::set<std::string> names;
};

} // namespace

namespace {

bool encloses(const TopoDS_Shape &shape) {
  bool closed = TopExp_Explorer(shape, TopAbs_SOLID).More();
  for (TopExp_Explorer shells(shape, TopAbs_SHELL); shells.More(); shells.Next()) {
    closed = closed || BRep_Tool::IsClosed(shells.Current());
  }
  return closed;
}

} // namespace

Measurements measure(rust::Str path) {
  Handle(TDocStd_Document) document = empty_document();
  STEPCAFControl_Reader reader;
  if (reader.ReadFile(std::string(path).c_str()) != IFSelect_RetDone ||
      !reader.Transfer(document)) {
    throw Failure("kernel_error", "The kernel could not read the file.");
  }
  TDF_LabelSequence roots;
  XCAFDoc_DocumentTool::ShapeTool(document->Main())->GetFreeShapes(roots);

  Measurements measurements{};
  Count count;
  Bnd_Box box;
  for (Standard_Integer i = 1; i <= roots.Length(); ++i) {
    count.visit(roots.Value(i));
    const TopoDS_Shape shape = XCAFDoc_ShapeTool::GetShape(roots.Value(i));
    GProp_GProps volume, area;
    BRepGProp::VolumeProperties(shape, volume);
    BRepGProp::SurfaceProperties(shape, area);
    // Open surfaces have no volume, only a flux.
    measurements.volume += encloses(shape) ? volume.Mass() : 0.0;
    measurements.area += area.Mass();
    box.Add(exact_box(shape));
  }
  measurements.parts = static_cast<std::size_t>(count.parts.Extent());
  measurements.occurrences = count.occurrences;
  for (const std::string &name : count.names) {
    measurements.names.push_back(rust::String::lossy(name));
  }
  box.Get(measurements.min[0], measurements.min[1], measurements.min[2], measurements.max[0],
          measurements.max[1], measurements.max[2]);
  return measurements;
}

} // namespace cadmill::samples
