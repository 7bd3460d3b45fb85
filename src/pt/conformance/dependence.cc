// check_dependence() of words.h.
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <set>
#include <span>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "pt/conformance/verdict.h"
#include "pt/conformance/words.h"

namespace mmusim::pt::conformance {
namespace {

// Shared with the process that tries: what became of a step's address with one bit changed.
struct Tries {
  static constexpr unsigned kMost = 128;  // bits of a step's words
  volatile unsigned done = 0;
  std::array<uint64_t, kMost> address{};  // 0: there is no such step any more
};

class SharedTries {
 public:
  SharedTries()
      : memory_(::mmap(nullptr, sizeof(Tries), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                       -1, 0)) {
    if (memory_ == MAP_FAILED) throw Error("", "cannot share memory with a process");
    new (memory_) Tries;
  }
  ~SharedTries() { ::munmap(memory_, sizeof(Tries)); }
  SharedTries(const SharedTries&) = delete;
  SharedTries& operator=(const SharedTries&) = delete;
  [[nodiscard]] Tries& get() { return *static_cast<Tries*>(memory_); }

 private:
  void* memory_;
};

// With each bit of the step before `number` changed in turn, where step `number` of the walk is.
[[noreturn]] void try_all(const Machine& machine, const PageTable& table, VirtAddr va,
                          const WalkStep& before, size_t number, Tries& tries) {
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL})
    ::signal(signal, SIG_DFL);
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  ::dup2(nowhere, STDERR_FILENO);
  constexpr unsigned kSeconds = 2;
  ::alarm(kSeconds);  // a table may lead in a circle now
  auto* const words = const_cast<std::byte*>(host_word(machine, before.address));
  for (unsigned bit = tries.done; bit < unsigned{before.bytes} * 8; ++bit) {
    words[bit / 8] ^= std::byte{1} << bit % 8;
    WalkPath path;
    try {
      static_cast<void>(table.walk(va, path));
    } catch (const Broken&) {
      // A walk through words that make no sense names others; where they are is all that matters.
    } catch (const InternalError&) {
      ::_exit(1);  // as if it had crashed
    }
    words[bit / 8] ^= std::byte{1} << bit % 8;
    const auto steps = path.steps();
    tries.address[bit] = number < steps.size() ? steps[number].address.value() : 0;
    tries.done = bit + 1;
  }
  ::_exit(0);
}

// The addresses the step has then, besides its own. `crashed`: one try did not come back.
std::set<uint64_t> addresses(const Machine& machine, const PageTable& table, VirtAddr va,
                             std::span<const WalkStep> steps, size_t number, bool& crashed) {
  SharedTries shared;
  const pid_t pid = ::fork();
  if (pid < 0) throw Error("", "cannot make a process to try a walk in");
  if (pid == 0) try_all(machine, table, va, steps[number - 1], number, shared.get());
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  crashed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
  std::set<uint64_t> found;
  for (unsigned bit = 0; bit < shared.get().done; ++bit)
    found.insert(shared.get().address[bit]);
  found.erase(steps[number].address.value());
  return found;
}

}  // namespace

// A branch on a word leads to one of two places; an address made of it, to many.
void check_dependence(const Machine& machine, const PageTable& table, VirtAddr va) {
  WalkPath path;
  static_cast<void>(table.walk(va, path));
  const auto steps = path.steps();
  for (size_t i = 1; i < steps.size(); ++i) {
    bool crashed = false;
    std::set<uint64_t> elsewhere = addresses(machine, table, va, steps, i, crashed);
    const auto text = [&] {
      return fmt::format("step {} of walk({:#x}), at physical {:#x}", i + 1, va.value(),
                         steps[i].address.value());
    };
    if (steps[i].dependent) {
      expect(
          crashed || !elsewhere.empty(), promise::kDepends,
          [&] { return text() + ", elsewhere when the step before says something else"; },
          "the same address, whatever it says");
      continue;
    }
    elsewhere.erase(0);
    expect(
        elsewhere.size() < 2, promise::kDepends,
        [&] { return text() + ", dependent, since the step before says where it is"; },
        "not dependent");
  }
}

}  // namespace mmusim::pt::conformance
