// The exact bounding box of a meshed shape.
#pragma once

#include <Bnd_Box.hxx>
#include <TopoDS_Shape.hxx>

namespace cadmill {

// In millimetres, without a gap. Void if nothing of the shape was meshed.
Bnd_Box exact_box(const TopoDS_Shape &shape);

} // namespace cadmill
