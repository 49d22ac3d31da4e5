// Differences between the supported versions of Open CASCADE.
#pragma once

#include <Standard_Version.hxx>

#if OCC_VERSION_HEX < 0x070600
#error "Open CASCADE 7.6 or newer is needed"
#endif

#include <OSD_Parallel.hxx>
#include <OSD_ThreadPool.hxx>
#include <Poly_Triangulation.hxx>
#include <STEPCAFControl_Reader.hxx>
#include <TColStd_HSequenceOfTransient.hxx>
#include <XSControl_WorkSession.hxx>
#if __has_include(<StepData_Factors.hxx>)
#include <StepData_Factors.hxx>
#endif

namespace cadmill {

// The kernel's reader, extended so that materials can be read again.
class CafReader : public STEPCAFControl_Reader {
public:
  void read_materials(Handle(TDocStd_Document) & document,
                      const Handle(TColStd_HSequenceOfTransient) & products) const {
#if __has_include(<StepData_Factors.hxx>)
    ReadMaterials(Reader().WS(), document, products, StepData_Factors());
#else
    ReadMaterials(Reader().WS(), document, products);
#endif
  }
};

} // namespace cadmill
