// Reports a fault and ends the process.
//
// Open CASCADE can turn signals into exceptions instead, but it also catches them itself, deep in
// its translation, and goes on with memory of which nobody knows what it holds.
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

// Makes plain system calls only. A line this short is written whole, whatever other threads write.
void report(int signal) {
  const char *line = line_of(signal);
  const ssize_t written = write(STDOUT_FILENO, line, std::strlen(line));
  _exit(written > 0 ? 1 : 128 + signal);
}

} // namespace

void report_faults() {
  struct sigaction action {};
  action.sa_handler = report;
  // On the stack that Rust gives each of its threads for this, as theirs may have overflowed.
  action.sa_flags = SA_ONSTACK | SA_RESETHAND;
  sigfillset(&action.sa_mask);
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE}) {
    sigaction(signal, &action, nullptr);
  }
}

} // namespace cadmill
