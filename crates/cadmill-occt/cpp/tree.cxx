// Traverses the XCAF document: occurrences, distinct parts, names, colours, layers, materials.
#include "document.hxx"

#include "cadmill-occt/src/kernel/bridge.rs.h"
#include "compat.hxx"

#include <Interface_InterfaceModel.hxx>
#include <StepBasic_Product.hxx>
#include <StepBasic_ProductDefinition.hxx>
#include <StepBasic_ProductDefinitionFormation.hxx>
#include <StepRepr_ProductDefinitionShape.hxx>
#include <StepShape_Face.hxx>
#include <TColStd_HSequenceOfTransient.hxx>
#include <TCollection_HAsciiString.hxx>
#include <TDF_LabelIntegerMap.hxx>
#include <TDF_LabelSequence.hxx>
#include <TDataStd_Name.hxx>
#include <TDataStd_TreeNode.hxx>
#include <TopExp_Explorer.hxx>
#include <TransferBRep.hxx>
#include <Transfer_TransientProcess.hxx>
#include <XCAFDoc.hxx>
#include <XCAFDoc_ColorTool.hxx>
#include <XCAFDoc_DocumentTool.hxx>
#include <XCAFDoc_GraphNode.hxx>
#include <XCAFDoc_LayerTool.hxx>
#include <XCAFDoc_Material.hxx>
#include <XCAFDoc_ShapeTool.hxx>
#include <XSControl_TransferReader.hxx>
#include <XSControl_WorkSession.hxx>

#include <algorithm>

namespace cadmill {

namespace {

std::string utf8(const TCollection_ExtendedString &text) {
  std::string bytes(static_cast<std::size_t>(text.LengthOfCString()), '\0');
  Standard_PCharacter start = bytes.data();
  text.ToUTF8CString(start);
  return bytes;
}

std::string name_of(const TDF_Label &label) {
  Handle(TDataStd_Name) name;
  return label.FindAttribute(TDataStd_Name::GetID(), name) ? utf8(name->Get()) : std::string();
}

// Whether the kernel generated the name because the component has none: `=>[0:1:1:5]`.
bool is_made_up(const std::string &name) { return name.rfind("=>[", 0) == 0; }

rust::String lossy(const std::string &text) {
  return rust::String::lossy(text.data(), text.size());
}

} // namespace

class TreeWalk {
public:
  explicit TreeWalk(Document &document)
      : document(document), shapes(XCAFDoc_DocumentTool::ShapeTool(document.document->Main())),
        colors(XCAFDoc_DocumentTool::ColorTool(document.document->Main())),
        layers(XCAFDoc_DocumentTool::LayerTool(document.document->Main())) {
    read_model();
    read_materials_of_solids();
  }

  Tree run() {
    TDF_LabelSequence roots;
    shapes->GetFreeShapes(roots);
    for (Standard_Integer i = roots.Length(); i >= 1; --i) {
      pending.push_back({roots.Value(i), -1});
    }
    // An explicit stack instead of recursion, since assemblies can be thousands of levels deep.
    while (!pending.empty()) {
      const Place place = pending.back();
      pending.pop_back();
      visit(place);
    }
    return std::move(tree);
  }

private:
  struct Place {
    TDF_Label label;
    std::int64_t parent;
  };

  using Material = Handle(XCAFDoc_Material);

  Document &document;
  Handle(XCAFDoc_ShapeTool) shapes;
  Handle(XCAFDoc_ColorTool) colors;
  Handle(XCAFDoc_LayerTool) layers;
  std::vector<Place> pending;
  Tree tree;
  TopTools_DataMapOfShapeInteger part_of_shape;
  // Per node: its component label, and the colour that its descendants inherit.
  std::vector<TDF_Label> labels;
  std::vector<std::optional<Rgba>> inherited;
  // Per node: the material of its bodies, if it is a product with several.
  std::vector<Material> materials_of_bodies;
  TDF_LabelIntegerMap product_of_label;
  std::vector<std::string> product_ids;

  void visit(const Place &place) {
    TDF_Label product = place.label;
    XCAFDoc_ShapeTool::GetReferredShape(place.label, product);
    const TopoDS_Shape shape = XCAFDoc_ShapeTool::GetShape(product);
    const auto index = static_cast<std::int64_t>(tree.nodes.size());

    Node node{};
    node.parent = place.parent;
    node.part = -1;
    node.name = lossy(name_of(product));
    if (shape.IsNull()) {
      tree.warnings.push_back("`" + std::string(node.name) + "` has no shape and was left out.");
      return;
    }
    if (const Standard_Integer *id = product_of_label.Seek(product)) {
      node.product_id = lossy(product_ids[static_cast<std::size_t>(*id)]);
    }
    if (product != place.label) {
      const std::string designator = name_of(place.label);
      node.designator = is_made_up(designator) ? rust::String() : lossy(designator);
      set_transform(node, XCAFDoc_ShapeTool::GetLocation(place.label).Transformation());
      add_layers(place.label, node.layers);
    } else {
      set_transform(node, gp_Trsf());
    }

    const bool assembly = XCAFDoc_ShapeTool::IsAssembly(product);
    const std::optional<Rgba> above =
        place.parent < 0 ? std::nullopt : inherited[static_cast<std::size_t>(place.parent)];
    std::optional<Rgba> own = product == place.label ? std::nullopt : color_of(place.label);
    labels.push_back(place.label);
    if (const auto special = color_in_context(place)) {
      own = special;
    }
    materials_of_bodies.push_back(nullptr);
    inherited.push_back(own ? own : (assembly && color_of(product)) ? color_of(product) : above);

    if (assembly) {
      TDF_LabelSequence components;
      XCAFDoc_ShapeTool::GetComponents(product, components);
      for (Standard_Integer i = components.Length(); i >= 1; --i) {
        pending.push_back({components.Value(i), index});
        const Material material = material_of_body(components.Value(i));
        materials_of_bodies.back() = material.IsNull() ? materials_of_bodies.back() : material;
      }
    } else {
      node.part = part_at(product, shape);
      add_material(place, product, tree.parts[static_cast<std::size_t>(node.part)]);
      set_color(node, own, above);
    }
    tree.nodes.push_back(std::move(node));
  }

  // The colour of an occurrence replaces that of its part; an inherited colour applies only if the
  // part has none. Colours of single faces and bodies have priority over both.
  void set_color(Node &node, const std::optional<Rgba> &own, const std::optional<Rgba> &above) {
    const PartShape &part = document.parts[static_cast<std::size_t>(node.part)];
    const std::optional<Rgba> color = own ? own : part.color ? std::nullopt : above;
    if (!color) {
      return;
    }
    if (!part.sub_colors.IsEmpty()) {
      if (own) {
        tree.warnings.push_back(
            "An occurrence of `" + std::string(node.name) +
            "` has its own colour, but its faces keep theirs.");
      }
      return;
    }
    node.has_color = true;
    node.color = *color;
  }

  std::int64_t part_at(const TDF_Label &label, const TopoDS_Shape &shape) {
    if (const Standard_Integer *known = part_of_shape.Seek(shape)) {
      return *known;
    }
    const auto index = static_cast<Standard_Integer>(document.parts.size());
    part_of_shape.Bind(shape, index);

    PartShape part;
    part.shape = shape;
    part.color = color_of(label);
    TDF_LabelSequence subs;
    XCAFDoc_ShapeTool::GetSubShapes(label, subs);
    PartInfo info{};
    add_layers(label, info.layers);
    for (Standard_Integer i = 1; i <= subs.Length(); ++i) {
      add_layers(subs.Value(i), info.layers);
      set_material(material_of(subs.Value(i)), info);
      if (const auto color = color_of(subs.Value(i))) {
        part.sub_colors.Bind(XCAFDoc_ShapeTool::GetShape(subs.Value(i)),
                             static_cast<Standard_Integer>(part.palette.size()));
        part.palette.push_back(*color);
      }
    }

    info.body = document.add_body(shape);
    for (TopExp_Explorer faces(shape, TopAbs_FACE); faces.More(); faces.Next()) {
      ++info.faces;
    }
    tree.parts.push_back(std::move(info));
    document.parts.push_back(std::move(part));
    return index;
  }

  std::optional<Rgba> color_of(const TDF_Label &label) const {
    Quantity_ColorRGBA color;
    if (!colors->GetColor(label, XCAFDoc_ColorSurf, color) &&
        !colors->GetColor(label, XCAFDoc_ColorGen, color)) {
      return std::nullopt;
    }
    const Quantity_Color &rgb = color.GetRGB();
    return Rgba{static_cast<float>(rgb.Red()), static_cast<float>(rgb.Green()),
                static_cast<float>(rgb.Blue()), color.Alpha()};
  }

  // Returns the colour that applies to this occurrence only in its specific chain of parent
  // occurrences (STEP: SPECIFIED_HIGHER_USAGE_OCCURRENCE).
  std::optional<Rgba> color_in_context(const Place &place) const {
    TDF_LabelSequence path;
    path.Append(place.label);
    for (std::int64_t above = place.parent; above >= 0;
         above = tree.nodes[static_cast<std::size_t>(above)].parent) {
      const TDF_Label &label = labels[static_cast<std::size_t>(above)];
      path.Prepend(label);
      TDF_AttributeSequence usages;
      if (!XCAFDoc_ShapeTool::GetAllComponentSHUO(label, usages)) {
        continue;
      }
      Handle(XCAFDoc_GraphNode) usage;
      if (XCAFDoc_ShapeTool::FindSHUO(path, usage)) {
        return color_of(usage->Label());
      }
    }
    return std::nullopt;
  }

  void add_layers(const TDF_Label &label, rust::Vec<rust::String> &names) const {
    const Handle(TColStd_HSequenceOfExtendedString) found = layers->GetLayers(label);
    if (found.IsNull()) {
      return;
    }
    for (Standard_Integer i = 1; i <= found->Length(); ++i) {
      rust::String name = lossy(utf8(found->Value(i)));
      if (std::find(names.begin(), names.end(), name) == names.end()) {
        names.push_back(std::move(name));
      }
    }
  }

  static Material material_of(const TDF_Label &label) {
    Handle(TDataStd_TreeNode) reference;
    Material material;
    if (label.FindAttribute(XCAFDoc::MaterialRefGUID(), reference) && reference->HasFather()) {
      reference->Father()->Label().FindAttribute(XCAFDoc_Material::GetID(), material);
    }
    return material;
  }

  // Returns the material of a body of a product with several. The reader assigns the material of
  // such a product to the first of its bodies, and to the component instead of the referenced
  // shape.
  Material material_of_body(const TDF_Label &component) const {
    TDF_Label body = component;
    XCAFDoc_ShapeTool::GetReferredShape(component, body);
    if (product_of_label.IsBound(body)) {
      return nullptr;
    }
    const Material own = material_of(body);
    return own.IsNull() ? material_of(component) : own;
  }

  void add_material(const Place &place, const TDF_Label &label, PartInfo &info) const {
    if (!info.material.empty()) {
      return;
    }
    Material material = material_of(label);
    if (material.IsNull()) {
      material = material_of(place.label);
    }
    if (material.IsNull() && place.parent >= 0 && !product_of_label.IsBound(label)) {
      material = materials_of_bodies[static_cast<std::size_t>(place.parent)];
    }
    set_material(material, info);
  }

  static void set_material(const Material &material, PartInfo &info) {
    if (!material.IsNull() && !material->GetName().IsNull() && info.material.empty()) {
      info.material = lossy(material->GetName()->ToCString());
      info.density = material->GetDensity();
    }
  }

  // The reader assigns a product's material to the label of its first solid. If a part has several
  // solids, these have no labels, so labels are added and the materials are read again.
  void read_materials_of_solids() {
    TDF_LabelSequence all;
    shapes->GetShapes(all);
    bool added = false;
    for (Standard_Integer i = 1; i <= all.Length(); ++i) {
      if (XCAFDoc_ShapeTool::IsAssembly(all.Value(i))) {
        continue;
      }
      const TopoDS_Shape shape = XCAFDoc_ShapeTool::GetShape(all.Value(i));
      if (shape.IsNull() || shape.ShapeType() != TopAbs_COMPOUND) {
        continue;
      }
      for (TopExp_Explorer solids(shape, TopAbs_SOLID); solids.More(); solids.Next()) {
        added |= !shapes->AddSubShape(all.Value(i), solids.Current()).IsNull();
      }
    }
    if (!added) {
      return;
    }
    const Handle(Interface_InterfaceModel) &model = document.reader.Reader().WS()->Model();
    Handle(TColStd_HSequenceOfTransient) products = new TColStd_HSequenceOfTransient();
    for (Standard_Integer i = 1; i <= model->NbEntities(); ++i) {
      if (model->Value(i)->IsKind(STANDARD_TYPE(StepRepr_ProductDefinitionShape))) {
        products->Append(model->Value(i));
      }
    }
    document.reader.read_materials(document.document, products);
  }

  static void set_transform(Node &node, const gp_Trsf &transform) {
    for (int row = 0; row < 3; ++row) {
      for (int column = 0; column < 4; ++column) {
        node.transform[static_cast<std::size_t>(4 * row + column)] =
            transform.Value(row + 1, column + 1);
      }
    }
  }

  // Reads product ids, and counts the faces that were translated.
  void read_model() {
    const Handle(XSControl_WorkSession) &session = document.reader.Reader().WS();
    const Handle(Interface_InterfaceModel) &model = session->Model();
    const Handle(Transfer_TransientProcess) &process =
        session->TransferReader()->TransientProcess();
    for (Standard_Integer i = 1; i <= model->NbEntities(); ++i) {
      const Handle(Standard_Transient) &entity = model->Value(i);
      if (entity->IsKind(STANDARD_TYPE(StepShape_Face)) &&
          !TransferBRep::ShapeResult(process, entity).IsNull()) {
        ++tree.faces_read;
      }
      const auto definition = Handle(StepBasic_ProductDefinition)::DownCast(entity);
      if (definition.IsNull() || definition->Formation().IsNull() ||
          definition->Formation()->OfProduct().IsNull() ||
          definition->Formation()->OfProduct()->Id().IsNull()) {
        continue;
      }
      // The shape of an assembly's label differs, so the reader's map is needed.
      const TopoDS_Shape shape = TransferBRep::ShapeResult(process, definition);
      if (shape.IsNull()) {
        continue;
      }
      const TDF_Label *known = document.reader.GetShapeLabelMap().Seek(shape);
      const TDF_Label label = known == nullptr ? shapes->FindShape(shape) : *known;
      if (!label.IsNull()) {
        product_of_label.Bind(label, static_cast<Standard_Integer>(product_ids.size()));
        product_ids.emplace_back(definition->Formation()->OfProduct()->Id()->ToCString());
      }
    }
  }
};

Tree Document::walk() { return TreeWalk(*this).run(); }

} // namespace cadmill
