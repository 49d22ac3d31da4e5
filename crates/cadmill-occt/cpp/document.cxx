#include "document.hxx"

#include "compat.hxx"
#include "cadmill-occt/src/kernel/bridge.rs.h"

#include <Interface_Static.hxx>
#include <Message.hxx>
#include <Message_Messenger.hxx>
#include <Message_ProgressIndicator.hxx>
#include <Message_ProgressScope.hxx>
#include <XCAFApp_Application.hxx>

namespace cadmill {

namespace {

enum Phase : std::uint8_t { Read = 0, Transfer = 1 };

// Tells Rust how far a phase is, in steps of a hundredth.
class Progress : public Message_ProgressIndicator {
public:
  explicit Progress(Phase phase) : phase(phase) {}

protected:
  void Show(const Message_ProgressScope &, const Standard_Boolean) override {
    const double now = GetPosition();
    if (now - last >= 0.01) {
      last = now;
      report_progress(phase, now);
    }
  }

private:
  Phase phase;
  double last = 0.0;
};

} // namespace

void prepare_kernel(std::size_t threads) {
  OSD::SetSignal(Standard_False);
  Message::DefaultMessenger()->ChangePrinters().Clear();
  // The kernel's own pool can be limited, TBB's cannot.
  OSD_Parallel::SetUseOcctThreads(Standard_True);
  OSD_ThreadPool::DefaultPool(static_cast<int>(threads) - 1)->Init(static_cast<int>(threads) - 1);
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
  // Product and manufacturing information makes no geometry, and can be the bulk of a file.
  reader.SetPropsMode(Standard_False);
  reader.SetGDTMode(Standard_False);
  reader.SetViewMode(Standard_False);
  Interface_Static::SetCVal("xstep.cascade.unit", "MM");
}

void Document::read(rust::Str path) {
  report_progress(Read, 0.0);
  const IFSelect_ReturnStatus status = reader.ReadFile(std::string(path).c_str());
  if (status != IFSelect_RetDone) {
    throw Failure("kernel_error", "The kernel could not read the file.");
  }
  report_progress(Read, 1.0);
}

void Document::transfer() {
  report_progress(Transfer, 0.0);
  Handle(Progress) progress = new Progress(Transfer);
  if (!reader.Transfer(document, progress->Start())) {
    throw Failure("kernel_error", "The kernel could not translate the file's entities.");
  }
  report_progress(Transfer, 1.0);
}

} // namespace cadmill
