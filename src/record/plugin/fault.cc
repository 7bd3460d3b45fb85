#include "record/plugin/fault.h"

#include <algorithm>
#include <csignal>
#include <string>
#include <string_view>

#include "record/plugin/registers.h"

namespace mmusim::record::plugin {
namespace {

// Of x86-64's signal frames: siginfo's address is in RSI, ucontext's in RDX.
constexpr uint64_t kCodeAt = 8;  // si_code, in siginfo
constexpr uint64_t kPcAt = 168;  // uc_mcontext.gregs[REG_RIP], in ucontext

bool is_of_exceptions(uint64_t signal) {
  return signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL ||
         signal == SIGTRAP;
}

}  // namespace

void Handlers::add(const Guest& guest, uint64_t action) {
  uint64_t handler = 0;
  constexpr uint64_t kIgnored = 1;  // and 0: as ever
  if (std::string_view(guest.isa().name) != "x86_64" || action == 0 ||
      !guest.read_number(action, sizeof handler, handler) || handler <= kIgnored || has(handler))
    return;
  addresses_.insert(std::upper_bound(addresses_.begin(), addresses_.end(), handler), handler);
}

bool Handlers::has(uint64_t address) const {
  return std::binary_search(addresses_.begin(), addresses_.end(), address);
}

std::optional<uint64_t> faulted_at(const Guest& guest) {
  const std::string registers = dumped_registers();
  std::vector<uint64_t> found;
  numbers_behind(registers, "RSI=", 1, found);
  numbers_behind(registers, "RDX=", 1, found);
  uint64_t signal = 0;
  uint64_t code = 0;
  uint64_t pc = 0;
  if (found.size() != 2 || !guest.read_number(found[0], 4, signal) ||
      !guest.read_number(found[0] + kCodeAt, 4, code) ||
      !guest.read_number(found[1] + kPcAt, 8, pc))
    return std::nullopt;
  // Sent by a program, the code is 0 or negative.
  if (!is_of_exceptions(signal) || static_cast<int32_t>(code) <= 0) return std::nullopt;
  return pc;
}

}  // namespace mmusim::record::plugin
