#include "record/plugin/fault.h"

#include <array>
#include <csetjmp>
#include <optional>

#include "record/plugin/cpu.h"
#include "record/plugin/imports.h"
#include "record/plugin/system_call.h"

namespace mmusim::record::plugin {
namespace {

// The instruction at `pc` asks for the system; false where it cannot be read.
bool calls_at(uint64_t pc) {
  std::array<uint8_t, kCallBytes> bytes{};
  // x86's are of two bytes, and may be a page's last.
  return (guest.read(pc, bytes.data(), kCallBytes) || guest.read(pc, bytes.data(), 2)) &&
         asks_the_system(guest.isa(), bytes.data());
}

// An instruction that needs a register window stored or loaded: what is executed next shows it.
bool waits_for_window(const Cpu& cpu, uint64_t pc) {
  return cpu.window_word != 0 && cpu.window_at == cpu.producer.at &&
         cpu.window_word >> kWindowIndexBits == pc;
}

void write_exception() {
  // A child of fork may get no further than QEMU's own preparations, if it may not have a thread.
  if (own_cpu == nullptr || forking || stopped()) return;
  Cpu& cpu = *own_cpu;
  const std::optional<uint64_t> pc = cpu.program_counter.read(guest.isa());
  if (!pc) {
    cpu.unplaced = true;
    share()->unplaced.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  if (calls_at(*pc) || waits_for_window(cpu, *pc)) return;
  tell_zeroed(cpu);
  put(cpu, kFaultTag);
  put(cpu, *pc);
  cpu.producer.publish();
}

// In place of the C library's. The `sigjmp_buf` is QEMU's.
[[noreturn]] void jump(__jmp_buf_tag* to, int value) {
  write_exception();
  siglongjmp(to, value);
}

}  // namespace

bool watch_exceptions() {
  // One, or the other, which looks at the stack pointer first: as QEMU was compiled.
  bool watched = false;
  for (const char* const name : {"siglongjmp", "__longjmp_chk"})
    watched |= replace_import(name, reinterpret_cast<void*>(&jump));
  return watched;
}

}  // namespace mmusim::record::plugin
