#include "document.hxx"

#include "cadmill-occt/src/kernel/bridge.rs.h"
#include "compat.hxx"
#include "signals.hxx"

#include <Interface_InterfaceModel.hxx>
#include <Interface_Static.hxx>
#include <Message.hxx>
#include <Message_Messenger.hxx>
#include <StepBasic_Document.hxx>
#include <StepBasic_ExternalIdentificationAssignment.hxx>
#include <StepBasic_ExternalSource.hxx>
#include <StepBasic_ProductDefinition.hxx>
#include <StepBasic_ProductDefinitionRelationship.hxx>
#include <StepBasic_SourceItem.hxx>
#include <TColStd_MapOfTransient.hxx>
#include <TCollection_HAsciiString.hxx>
#include <TopExp_Explorer.hxx>
#include <TopoDS_Iterator.hxx>
#include <TransferBRep.hxx>
#include <Transfer_TransientProcess.hxx>
#include <XCAFApp_Application.hxx>
#include <XSControl_TransferReader.hxx>
#include <XSControl_WorkSession.hxx>

#include <cerrno>
#include <istream>
#include <streambuf>
#include <unistd.h>

namespace cadmill {

namespace {

enum Phase : std::uint8_t { Read = 0, Transfer = 1 };

// Reads from an open file descriptor.
class DescriptorBuffer : public std::streambuf {
public:
  explicit DescriptorBuffer(int descriptor) : descriptor(descriptor) {}

protected:
  int_type underflow() override {
    ssize_t count = 0;
    do {
      count = ::read(descriptor, bytes.data(), bytes.size());
    } while (count < 0 && errno == EINTR);
    if (count <= 0) {
      return traits_type::eof();
    }
    setg(bytes.data(), bytes.data(), bytes.data() + count);
    return traits_type::to_int_type(bytes.front());
  }

private:
  int descriptor;
  std::array<char, 1 << 16> bytes{};
};

} // namespace

void prepare_kernel(std::size_t threads) {
  report_faults();
  Message::DefaultMessenger()->ChangePrinters().Clear();
  // The kernel's thread pool can be limited, unlike TBB's.
  OSD_Parallel::SetUseOcctThreads(Standard_True);
  // The number includes the calling thread.
  OSD_ThreadPool::DefaultPool(static_cast<int>(threads));
}

rust::String kernel_version() { return OCC_VERSION_COMPLETE; }

std::unique_ptr<Document> new_document() { return std::make_unique<Document>(); }

Document::Document() {
  XCAFApp_Application::GetApplication()->NewDocument("BinXCAF", document);
  reader.SetNameMode(Standard_True);
  reader.SetColorMode(Standard_True);
  reader.SetLayerMode(Standard_True);
  reader.SetMatMode(Standard_True);
  reader.SetSHUOMode(Standard_True);
  // Product and manufacturing information contains no geometry and can be most of a file.
  reader.SetPropsMode(Standard_False);
  reader.SetGDTMode(Standard_False);
  reader.SetViewMode(Standard_False);
  Interface_Static::SetCVal("xstep.cascade.unit", "MM");
}

void Document::read(std::int32_t descriptor) {
  report_progress(Read, 0.0);
  DescriptorBuffer buffer(descriptor);
  std::istream stream(&buffer);
  // The kernel uses this name only as a label and opens no such file.
  const IFSelect_ReturnStatus status = reader.ChangeReader().ReadStream("input.step", stream);
  if (status != IFSelect_RetDone) {
    throw Failure("kernel_error", "The kernel could not read the file.");
  }
  forget_other_files();
  const Handle(Interface_InterfaceModel) &model = reader.Reader().WS()->Model();
  TColStd_MapOfTransient assemblies;
  for (Standard_Integer i = 1; i <= model->NbEntities(); ++i) {
    const auto usage = Handle(StepBasic_ProductDefinitionRelationship)::DownCast(model->Value(i));
    if (!usage.IsNull() && !usage->RelatingProductDefinition().IsNull()) {
      assemblies.Add(usage->RelatingProductDefinition());
    }
  }
  for (Standard_Integer i = 1; i <= model->NbEntities(); ++i) {
    const Handle(Standard_Transient) &entity = model->Value(i);
    if (entity->IsKind(STANDARD_TYPE(StepBasic_ProductDefinition)) &&
        !assemblies.Contains(entity)) {
      leaf_products.push_back(entity);
    }
  }
  report_progress(Read, 1.0);
}

// The kernel opens the files that documents, external sources and identifications name, and reads
// product shapes from them. Without names there is nothing to open. The parsed entities are changed
// instead of the text, so that no difference between two parsers can matter.
void Document::forget_other_files() const {
  const Handle(Interface_InterfaceModel) &model = reader.Reader().WS()->Model();
  const Handle(TCollection_HAsciiString) nothing = new TCollection_HAsciiString("");
  for (Standard_Integer i = 1; i <= model->NbEntities(); ++i) {
    const Handle(Standard_Transient) &entity = model->Value(i);
    if (const auto file = Handle(StepBasic_Document)::DownCast(entity); !file.IsNull()) {
      file->SetId(nothing);
      file->SetName(nothing);
    } else if (const auto place =
                   Handle(StepBasic_ExternalIdentificationAssignment)::DownCast(entity);
               !place.IsNull()) {
      place->SetAssignedId(nothing);
    } else if (const auto source = Handle(StepBasic_ExternalSource)::DownCast(entity);
               !source.IsNull()) {
      source->SetSourceId(StepBasic_SourceItem());
    }
  }
}

void Document::transfer_leaf(std::size_t leaf) {
  const Handle(Standard_Transient) &product = leaf_products.at(leaf);
  if (reader.ChangeReader().TransferEntity(product)) {
    const Handle(Transfer_TransientProcess) &process =
        reader.Reader().WS()->TransferReader()->TransientProcess();
    add_bodies(TransferBRep::ShapeResult(process, product));
    keep_back_what_others_share(leaf);
  }
  report_progress(Transfer, static_cast<double>(leaf + 1) / static_cast<double>(leaves() + 1));
}

void Document::transfer() {
  if (!reader.Transfer(document)) {
    throw Failure("kernel_error", "The kernel could not translate the file's entities.");
  }
  if (!reader.ExternFiles().IsEmpty()) {
    throw Failure("kernel_error", "The kernel looked for another file.");
  }
  fresh.insert(fresh.end(), kept_back.begin(), kept_back.end());
  kept_back.clear();
  report_progress(Transfer, 1.0);
}

std::shared_ptr<Body> Document::next_body() {
  if (fresh.empty()) {
    return nullptr;
  }
  std::shared_ptr<Body> body = std::move(fresh.front());
  fresh.pop_front();
  return body;
}

namespace {

// Whether all members of a compound have the same type and are not compounds.
bool is_uniform(const TopoDS_Shape &compound) {
  TopoDS_Iterator members(compound);
  if (!members.More()) {
    return true;
  }
  const TopAbs_ShapeEnum kind = members.Value().ShapeType();
  for (; members.More(); members.Next()) {
    if (members.Value().ShapeType() != kind) {
      return false;
    }
  }
  return kind != TopAbs_COMPOUND;
}

} // namespace

// Splits compounds as XCAF does: one part for members of the same type, otherwise one part per
// member. A wrong guess only costs time, because `walk` adds missing bodies.
void Document::add_bodies(const TopoDS_Shape &shape) {
  std::vector<TopoDS_Shape> pending{shape};
  while (!pending.empty()) {
    const TopoDS_Shape current = pending.back();
    pending.pop_back();
    if (current.IsNull()) {
      continue;
    }
    if (current.ShapeType() != TopAbs_COMPOUND || is_uniform(current)) {
      add_body(current);
      continue;
    }
    for (TopoDS_Iterator children(current); children.More(); children.Next()) {
      pending.push_back(children.Value());
    }
  }
}

// Products of a malformed file may share faces or edges. If meshed concurrently, two threads would
// write to these, so such bodies are deferred until all others are done.
void Document::keep_back_what_others_share(std::size_t leaf) {
  std::deque<std::shared_ptr<Body>> alone;
  for (std::shared_ptr<Body> &body : fresh) {
    bool shared = false;
    for (const TopAbs_ShapeEnum kind : {TopAbs_FACE, TopAbs_EDGE}) {
      for (TopExp_Explorer topology(body->whole(), kind); topology.More(); topology.Next()) {
        const TopoDS_TShape *shape = topology.Current().TShape().get();
        shared |= leaf_of_topology.try_emplace(shape, leaf).first->second != leaf;
      }
    }
    if (shared) {
      kept_back.push_back(std::move(body));
    } else {
      alone.push_back(std::move(body));
    }
  }
  fresh = std::move(alone);
}

std::size_t Document::add_body(const TopoDS_Shape &located) {
  const TopoDS_Shape shape = located.Located(TopLoc_Location());
  if (const Standard_Integer *known = body_of_shape.Seek(shape)) {
    return static_cast<std::size_t>(*known);
  }
  const auto index = static_cast<std::size_t>(body_of_shape.Extent());
  body_of_shape.Bind(shape, static_cast<Standard_Integer>(index));
  fresh.push_back(std::make_shared<Body>(shape, index));
  return index;
}

} // namespace cadmill
