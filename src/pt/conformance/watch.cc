#include "pt/conformance/watch.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <sys/mman.h>

#include "base/error.h"

#if defined(__linux__) && defined(__x86_64__)
#include <ucontext.h>
#define MMUSIM_CAN_WATCH 1
#endif
#if defined(__SANITIZE_THREAD__)
#undef MMUSIM_CAN_WATCH
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#undef MMUSIM_CAN_WATCH
#endif
#endif

namespace mmusim::pt::conformance {

#ifdef MMUSIM_CAN_WATCH
namespace {

constexpr size_t kMost = 256;  // accesses kept

// Reached from signal handlers: plain data, none of it where it could be protected.
struct State {
  std::byte* begin = nullptr;  // null: nothing is watched
  size_t bytes = 0;
  std::array<Access, kMost> seen{};
  size_t count = 0;
  bool complete = true;
  bool stepping = false;
  struct sigaction old_fault {};
  struct sigaction old_trap {};
};
State state;

constexpr long long kTrapFlag = 0x100;   // of EFLAGS: trap behind the next instruction
constexpr long long kWasWrite = 1 << 1;  // of a page fault's error code

void protect(int rights) {
  ::mprotect(state.begin, state.bytes, rights);
}

extern "C" void on_fault(int number, siginfo_t* info, void* context) {
  const auto* address = static_cast<std::byte*>(info->si_addr);
  const bool ours = state.begin != nullptr && !state.stepping && address >= state.begin &&
                    address < state.begin + state.bytes;
  if (!ours) {  // a crash like any other: it happens again, to whom it belongs
    ::sigaction(number, &state.old_fault, nullptr);
    return;
  }
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  protect(PROT_READ | PROT_WRITE);
  if (state.count == kMost) {
    state.complete = false;
    state.begin = nullptr;
    return;
  }
  state.seen[state.count++] = {address, (registers[REG_ERR] & kWasWrite) != 0};
  state.stepping = true;
  registers[REG_EFL] |= kTrapFlag;
}

extern "C" void on_watched_trap(int /*number*/, siginfo_t* /*info*/, void* context) {
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] &= ~kTrapFlag;
  state.stepping = false;
  if (state.begin != nullptr) protect(PROT_NONE);
}

void handle(int number, void (*handler)(int, siginfo_t*, void*), struct sigaction& old) {
  struct sigaction action {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  ::sigaction(number, &action, &old);
}

}  // namespace

bool MemoryWatch::works() {
  return true;
}

MemoryWatch::MemoryWatch(const mem::WordArena& arena) {
  MMUSIM_ASSERT(state.begin == nullptr);
  state.count = 0;
  state.complete = true;
  state.stepping = false;
  if (arena.used() == 0) return;
  handle(SIGSEGV, on_fault, state.old_fault);
  handle(SIGTRAP, on_watched_trap, state.old_trap);
  state.bytes = arena.used();
  state.begin = arena.begin();
  protect(PROT_NONE);
}

MemoryWatch::~MemoryWatch() {
  end();
}

void MemoryWatch::end() {
  if (state.bytes == 0) return;
  if (state.begin != nullptr) protect(PROT_READ | PROT_WRITE);
  state.begin = nullptr;
  state.bytes = 0;
  ::sigaction(SIGSEGV, &state.old_fault, nullptr);
  ::sigaction(SIGTRAP, &state.old_trap, nullptr);
}

std::span<const Access> MemoryWatch::seen() const {
  return {state.seen.data(), state.count};
}

bool MemoryWatch::complete() const {
  return state.complete;
}

#else

bool MemoryWatch::works() {
  return false;
}
MemoryWatch::MemoryWatch(const mem::WordArena& /*arena*/) {
  MMUSIM_ASSERT(works());
}
MemoryWatch::~MemoryWatch() = default;
void MemoryWatch::end() {}
std::span<const Access> MemoryWatch::seen() const {
  return {};
}
bool MemoryWatch::complete() const {
  return false;
}

#endif

}  // namespace mmusim::pt::conformance
