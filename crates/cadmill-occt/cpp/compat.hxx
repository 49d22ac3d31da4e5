// What differs between the versions of Open CASCADE that the shim compiles against.
#pragma once

#include <Standard_Version.hxx>

#if OCC_VERSION_HEX < 0x070600
#error "Open CASCADE 7.6 or newer is needed"
#endif

#include <OSD.hxx>
#include <OSD_Parallel.hxx>
#include <OSD_ThreadPool.hxx>
#include <Poly_Triangulation.hxx>
