// The records of ChampSim's traces: one per instruction, of fixed size, little-endian, nothing
// before or behind them.
//
//                        standard   cloudsuite
//     instruction pointer       0            0   u64
//     is a branch               8            8   u8, 0 or 1
//     was taken                 9            9   u8, 0 or 1
//     registers written   10 .. 11     10 .. 13  u8 each, 0: none
//     registers read      12 .. 15     14 .. 17  u8 each, 0: none
//     addresses stored to 16 .. 31     24 .. 55  u64 each, 0: none
//     addresses loaded    32 .. 63     56 .. 87  u64 each, 0: none
//     address space              -     88 .. 89  u8 each
//     bytes                     64           96
//
// Source: the structures input_instr and cloudsuite_instr of ChampSim's inc/trace_instruction.h as
// a compiler for x86-64 lays them out.
#ifndef MMUSIM_TRACE_CHAMPSIM_RECORD_H_
#define MMUSIM_TRACE_CHAMPSIM_RECORD_H_

#include <cstddef>
#include <cstdint>

namespace mmusim::trace::champsim {

struct Standard {
  static constexpr size_t kBytes = 64;
  static constexpr size_t kStores = 2;
  static constexpr size_t kStoresAt = 16;
  static constexpr size_t kLoadsAt = 32;
  static constexpr bool kHasSpace = false;
};
struct Cloudsuite {
  static constexpr size_t kBytes = 96;
  static constexpr size_t kStores = 4;
  static constexpr size_t kStoresAt = 24;
  static constexpr size_t kLoadsAt = 56;
  static constexpr bool kHasSpace = true;
  static constexpr size_t kSpaceAt = 88;
};
inline constexpr size_t kLoads = 4;
inline constexpr size_t kIsBranchAt = 8;
inline constexpr size_t kTakenAt = 9;
inline constexpr size_t kWrittenAt = 10;
inline constexpr size_t kReadAt = 12;  // of a standard record

// ChampSim's number for the instruction pointer: an instruction that reads and writes it, and
// neither the flags nor the stack pointer, is a direct jump to it.
inline constexpr uint8_t kInstructionPointer = 26;

}  // namespace mmusim::trace::champsim

#endif  // MMUSIM_TRACE_CHAMPSIM_RECORD_H_
