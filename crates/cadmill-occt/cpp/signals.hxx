// The end of the process by a signal that the kernel raised.
#pragma once

namespace cadmill {

// From now on a fault (SIGSEGV, SIGBUS, SIGILL, SIGFPE) is reported on standard output, as the last
// line of the protocol, and ends the process at once.
void report_faults();

} // namespace cadmill
