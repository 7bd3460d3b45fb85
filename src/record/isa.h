// The instruction sets that can be recorded, as data: how their ELF files look, which QEMU runs
// them, their numbers of system calls and their own values of mmap's flags. To add one, add it here
// (isa.cc) and its numbers (calls.cc). Shared with the plug-in: no allocation, no exceptions.
#ifndef MMUSIM_RECORD_ISA_H_
#define MMUSIM_RECORD_ISA_H_

#include <cstdint>
#include <span>
#include <string_view>

namespace mmusim::record {

// System calls that mean something to a trace, whatever their numbers.
enum class Call : uint8_t {
  None,  // any other
  // Memory
  Mmap,
  Mmap2,    // offset in units of 4096 bytes
  MmapOld,  // i386: the arguments lie in memory
  Munmap,
  Mprotect,
  Mremap,
  Brk,
  Madvise,
  Msync,
  Mlock,
  Mlock2,
  Munlock,
  Mlockall,
  Munlockall,
  Truncate,
  Ftruncate,
  Truncate64,   // of 32-bit ISAs: the length in two arguments
  Ftruncate64,  // ...
  Fallocate,
  Prctl,
  ProcessMadvise,
  // Memory, but of a kind for which a trace has no event
  Shmat,
  Shmdt,
  RemapFilePages,
  Userfaultfd,
  Mbind,
  MovePages,
  MigratePages,
  Mseal,
  IoSetup,
  IoUringSetup,
  // Processes
  Fork,
  Vfork,
  Clone,
  Execve,
  Exit,
  ExitGroup,
  Wait4,
  Waitpid,
  Waitid,
};
inline constexpr Call kLastMemoryCall = Call::IoUringSetup;
constexpr bool is_memory_call(Call call) {
  return call != Call::None && call <= kLastMemoryCall;
}
// Of those without an event, their names; null for all others.
const char* name_of_other(Call call);

struct CallNumber {
  uint16_t number;
  Call call;
};

// How 64-bit arguments of the *64 calls and of fallocate are passed.
enum class Pairs : uint8_t { Whole, LowFirst, LowFirstAligned, HighFirst, HighFirstAligned };

struct Isa {
  const char* name;      // as a trace's header has it
  const char* qemu;      // qemu-... that runs it
  const char* target;    // what QEMU calls it (info->target_name)
  const char* pc_label;  // what stands before the program counter where QEMU writes registers
  uint16_t machine;      // e_machine
  bool wide;             // ELF class: 64 bits
  bool big_endian;
  uint8_t page_shift;  // of its Linux's base pages, as QEMU has them
  Pairs pairs;
  // A folder to pass as -L where it is there, since programs need the ISA's own libraries; may be
  // null.
  const char* sysroot;
  std::span<const CallNumber> calls;
  // Where Linux-like placement (plugin/placement.h) puts a position-independent program, and below
  // which address everything that mmap places; 0: QEMU's own places are kept.
  uint64_t program_at;
  uint64_t mmap_top;
  // Where its Linux places mappings from here upwards instead; else 0.
  uint64_t mmap_bottom = 0;
  // mmap's flags, madvise's advice, msync's and mlockall's flags, and errors as asm-generic has
  // them; null: they are (own_values.h).
  uint32_t (*mmap_flags)(uint32_t flags) = nullptr;
  uint32_t (*advice)(uint32_t advice) = nullptr;
  uint32_t (*sync_flags)(uint32_t flags) = nullptr;
  uint32_t (*lock_all_flags)(uint32_t flags) = nullptr;
  uint32_t (*error)(uint32_t error) = nullptr;
};

std::span<const Isa> isas();
const Isa* isa_named(std::string_view name);
const Isa* isa_of_target(std::string_view target);
// By the fields of an ELF header; null: none that can be recorded.
const Isa* isa_of_elf(uint16_t machine, bool wide, bool big_endian);

}  // namespace mmusim::record

#endif  // MMUSIM_RECORD_ISA_H_
