// Errors a user can cause, and how they are reported.
//
// mmusim::Error is thrown for bad input (a torn trace, a wrong key, a full disk) and caught once,
// in cli/, which prints what() and exits with the error's status. It is never thrown for an
// expected outcome (a page fault, a TLB miss): those are values. Assertions (MMUSIM_ASSERT) are for
// bugs; no input may reach them. One that fails ends the run it is in, as an InternalError, and
// leaves other runs of the program alone.
#ifndef MMUSIM_BASE_ERROR_H_
#define MMUSIM_BASE_ERROR_H_

#include <fmt/format.h>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace mmusim {

class Error : public std::runtime_error {
 public:
  static constexpr int kFailure = 1;  // exit status: the work could not be done
  static constexpr int kUsage = 2;    // exit status: the command line or a config is wrong

  // `where` names file and line, key or byte offset ("" if none applies); `what_to_do` may be
  // empty.
  Error(const std::string& where, const std::string& what, const std::string& what_to_do = "",
        int exit_status = kFailure);
  [[nodiscard]] int exit_status() const { return exit_status_; }

 private:
  int exit_status_;
};

class UsageError : public Error {
 public:
  UsageError(const std::string& where, const std::string& what, const std::string& what_to_do = "")
      : Error(where, what, what_to_do, kUsage) {}
};

// A bug of mmusim's or of a plug-in's. No Error: whoever makes the best of bad input must not make
// anything of this.
class InternalError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

// Throws InternalError.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

// Keeps the first failure on this thread until kept_failure() is called, which returns what was
// kept; empty: nothing.
void keep_failure(const InternalError& failure);
std::string kept_failure();

// Does what a destructor has to do that takes simulated structures apart, which a bug may have
// broken. It cannot throw: an assertion that fails is kept for who ends the run.
template <class Work>
void take_apart(Work work) noexcept {
  try {
    work();
  } catch (const InternalError& failure) {
    keep_failure(failure);
  }
}

// Does a run, whose structures are gone when it returns: throws what their destructors have kept,
// so that nobody makes anything of its results.
template <class Run>
auto to_its_end(Run run) {
  const auto check = [] {
    if (const std::string failure = kept_failure(); !failure.empty()) throw InternalError(failure);
  };
  if constexpr (std::is_void_v<decltype(run())>) {
    run();
    check();
  } else {
    auto result = run();
    check();
    return result;
  }
}

// Does one run's work among others'; what was wrong if it met a bug, else nothing.
template <class Run>
std::string failure_of(Run run) {
  kept_failure();
  try {
    run();
  } catch (const InternalError& failure) {
    kept_failure();  // what followed from it
    return failure.what();
  }
  return kept_failure();
}

}  // namespace mmusim

// Always on: the simulator's results are worthless once an invariant is broken.
#define MMUSIM_ASSERT(expression)      \
  ((expression) ? static_cast<void>(0) \
                : ::mmusim::assertion_failed(#expression, __FILE__, __LINE__))

#endif  // MMUSIM_BASE_ERROR_H_
