// Converts every exception of the kernel to an error for Rust.
//
// The text of an error is `<failure code>|<description>`.
#pragma once

#include <Standard_Failure.hxx>
#include <Standard_OutOfMemory.hxx>

#include <exception>
#include <new>
#include <string>

namespace cadmill {

// Thrown by the shim itself. `code` is a failure code.
class Failure : public std::exception {
public:
  Failure(const char *code, const std::string &detail) : text(std::string(code) + "|" + detail) {}
  const char *what() const noexcept override { return text.c_str(); }

private:
  std::string text;
};

inline std::string describe(const char *code, const Standard_Failure &failure) {
  std::string text = std::string(code) + "|" + failure.DynamicType()->Name();
  const char *message = failure.GetMessageString();
  if (message != nullptr && *message != '\0') {
    text += std::string(": ") + message;
  }
  return text;
}

} // namespace cadmill

namespace rust::behavior {

// Wraps each call of cxx into the shim. Signals are handled in `signals.hxx`.
template <typename Try, typename Fail> static void trycatch(Try &&call, Fail &&fail) noexcept {
  try {
    call();
  } catch (const cadmill::Failure &failure) {
    fail(failure.what());
  } catch (const Standard_OutOfMemory &failure) {
    fail(cadmill::describe("kernel_memory", failure).c_str());
  } catch (const Standard_Failure &failure) {
    fail(cadmill::describe("kernel_error", failure).c_str());
  } catch (const std::bad_alloc &) {
    fail("kernel_memory|The kernel could not get more memory.");
  } catch (const std::exception &exception) {
    fail((std::string("kernel_error|") + exception.what()).c_str());
  } catch (...) {
    fail("kernel_error|The kernel threw something that is not an exception.");
  }
}

} // namespace rust::behavior
