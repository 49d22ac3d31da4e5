// Reports a fault and ends the process.
//
// Open CASCADE can convert signals to exceptions, but it also catches these deep in the translation
// and continues with undefined memory.
#include "signals.hxx"

#include <csignal>
#include <cstring>
#include <initializer_list>
#include <unistd.h>

namespace cadmill {

namespace {

#define CADMILL_FAULT(name)                                                                        \
  "{\"event\":\"failed\",\"code\":\"kernel_crash\",\"detail\":\"It died by " name ".\"}\n"

const char *line_of(int signal) {
  switch (signal) {
  case SIGBUS:
    return CADMILL_FAULT("SIGBUS");
  case SIGILL:
    return CADMILL_FAULT("SIGILL");
  case SIGFPE:
    return CADMILL_FAULT("SIGFPE");
  default:
    return CADMILL_FAULT("SIGSEGV");
  }
}

#undef CADMILL_FAULT

// Uses async-signal-safe calls only. Such a short line is written atomically.
void report(int signal) {
  const char *line = line_of(signal);
  const ssize_t written = write(STDOUT_FILENO, line, std::strlen(line));
  _exit(written > 0 ? 1 : 128 + signal);
}

} // namespace

void report_faults() {
  struct sigaction action {};
  action.sa_handler = report;
  // Uses the alternate stack that Rust allocates per thread, since the regular stack may have
  // overflowed.
  action.sa_flags = SA_ONSTACK | SA_RESETHAND;
  sigfillset(&action.sa_mask);
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE}) {
    sigaction(signal, &action, nullptr);
  }
}

} // namespace cadmill
