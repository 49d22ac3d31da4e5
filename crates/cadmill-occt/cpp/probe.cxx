#include "probe.hxx"

#include <cerrno>
#include <unistd.h>

namespace cadmill {

std::int32_t error_of_system_call(std::int64_t number, std::int64_t first) {
#ifdef __linux__
  const long result = syscall(static_cast<long>(number), static_cast<long>(first), 0L, 0L, 0L, 0L, 0L);
  return result == -1 ? errno : 0;
#else
  (void)number;
  (void)first;
  return ENOSYS;
#endif
}

} // namespace cadmill
