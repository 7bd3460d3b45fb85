// What the plug-in keeps of each of QEMU's CPUs, which are the program's threads, and of the
// process. Inside plugin.cc and calling.cc only.
#ifndef MMUSIM_RECORD_PLUGIN_CPU_H_
#define MMUSIM_RECORD_PLUGIN_CPU_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

#include "record/isa.h"
#include "record/plugin/guest.h"
#include "record/plugin/placement.h"
#include "record/plugin/producer.h"
#include "record/plugin/registers.h"

namespace mmusim::record::plugin {

inline constexpr unsigned kMostCpus = 32768;
inline constexpr unsigned kWindowIndexBits = 10;  // of Cpu::window_word

struct alignas(64) Cpu {
  Producer producer;
  // The system call being made.
  Call call = Call::None;
  bool locked = false;  // it holds the process's lock until it returns
  std::array<uint64_t, 8> arguments{};
  // Which thread made this one, and how; 0: the first.
  uint32_t maker = 0;
  uint64_t clone_flags = 0;
  // What QEMU does not report (unreported.h).
  GeneralRegisters registers;
  RegisterWindows windows;
  ProgramCounter program_counter;
  bool unplaced = false;  // an exception came, and where is not known
  uint64_t zeroing = 0;   // a block of zeros is being written: ZeroWord; 0: none
  uint64_t window_word =
      0;                   // the instruction begun last that may store or load a window: WindowWord
  uint64_t window_at = 0;  // words written then
};

extern Guest guest;
extern Placement placement;
extern std::mutex definitions_lock;
extern uint32_t next_block;
extern Cpu cpus[kMostCpus];
extern std::atomic<unsigned> cpus_used;
extern thread_local Cpu* own_cpu;  // of this thread; null: it has not written anything yet
// In the midst of a fork: the child has no rings of its own yet, and its parent's positions.
extern thread_local bool forking;

// A thread that has not written anything yet gets a ring.
void first_word(Cpu& cpu);
void put(Cpu& cpu, uint64_t word);
// What the last instruction wrote without QEMU telling it, if it did.
void tell_zeroed(Cpu& cpu);

}  // namespace mmusim::record::plugin

#endif  // MMUSIM_RECORD_PLUGIN_CPU_H_
