// A raw system call, for the self-test of the sandbox.
#pragma once

#include <cstdint>

namespace cadmill {

std::int32_t error_of_system_call(std::int64_t number, std::int64_t first);

} // namespace cadmill
