// Ends the process when the kernel raises a signal.
#pragma once

namespace cadmill {

// Installs handlers so that a fault (SIGSEGV, SIGBUS, SIGILL, SIGFPE) is reported on standard
// output, as the last line of the protocol, and ends the process immediately.
void report_faults();

} // namespace cadmill
