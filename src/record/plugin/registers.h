// Registers of the calling thread's CPU, which QEMU 7.2 shows to plug-ins only as the text of its
// logs (cpu_dump_state, exported). That text is read once per thread; where the same values lie in
// QEMU's CPU, in one place only, is remembered, and read from then on.
//
// Each is used by one thread.
#ifndef MMUSIM_RECORD_PLUGIN_REGISTERS_H_
#define MMUSIM_RECORD_PLUGIN_REGISTERS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "record/isa.h"

namespace mmusim::record::plugin {

// QEMU's symbols for it. False: they are not there.
bool can_read_registers();

// What the log says; empty if it cannot be had.
std::string dumped_registers();
// The hexadecimal numbers behind `label`, blank by blank, at most `most`.
void numbers_behind(std::string_view text, std::string_view label, size_t most,
                    std::vector<uint64_t>& numbers);
// The only place in QEMU's CPU that has these words one after the other; null: none, or several.
const uint64_t* only_place_of(const std::vector<uint64_t>& words);

// The address of the instruction that is executed.
class ProgramCounter {
 public:
  // Nothing where it cannot be had.
  std::optional<uint64_t> read(const Isa& isa);

 private:
  void find(uint64_t value, size_t bytes);

  // Where in QEMU's CPU it may be, in units of its size: wherever it was each time it was looked
  // for.
  std::array<uint32_t, 8> places_{};
  unsigned count_ = 0;
  unsigned looked_ = 0;
};

// The general registers of aarch64 and ppc64.
class GeneralRegisters {
 public:
  // `power`: ppc64, else aarch64. Nothing where they cannot be had.
  std::optional<uint64_t> read(bool power, unsigned number);

 private:
  const uint64_t* at_ = nullptr;
};

// SPARC's register windows, of which QEMU keeps 8 one behind the other.
class RegisterWindows {
 public:
  // Where the window's registers are stored, by its stack pointer; `up`: so many windows from the
  // current one towards the callers. Nothing where it cannot be had.
  std::optional<uint64_t> place(unsigned up);
  // How many windows of callers are in registers.
  static std::optional<unsigned> resident();

 private:
  void find();

  bool looked_ = false;
  const uint64_t* base_ = nullptr;     // of the first window's outs
  const uint64_t* current_ = nullptr;  // the word that points to the current window's
};

}  // namespace mmusim::record::plugin

#endif  // MMUSIM_RECORD_PLUGIN_REGISTERS_H_
