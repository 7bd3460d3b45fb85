#include "record/isa.h"

#include <algorithm>

#include "record/calls.h"
#include "record/own_values.h"

namespace mmusim::record {
namespace {

constexpr uint16_t kMachine386 = 3;
constexpr uint16_t kMachineX86_64 = 62;
constexpr uint16_t kMachinePpc64 = 21;
constexpr uint16_t kMachineArm = 40;
constexpr uint16_t kMachineSparcV9 = 43;
constexpr uint16_t kMachineAlpha = 0x9026;
constexpr uint16_t kMachineAarch64 = 183;
constexpr uint16_t kMachineRiscv = 243;

// Linux's places without randomisation are 0x555555554000 and 0x7ffff7fff000. QEMU itself lies
// there, so these are others that share the same entries of the upper tables, or have as many.
constexpr uint64_t kProgram64 = 0x550000000000;
constexpr uint64_t kTop64 = 0x7e7ff8000000;

// A stack lies above the top, of up to 8 MiB: 32-bit kernels have 3 GiB for programs. As Linux has
// them with Sv39's addresses, and with the 46 bits of a hash page table.
constexpr uint64_t kProgramSv39 = 0x2aaaaaa000;
constexpr uint64_t kTopSv39 = 0x3fb7fff000;
constexpr uint64_t kProgramPpc64 = 0x120000000;
constexpr uint64_t kTopPpc64 = 0x3fffb7fff000;
// Half of the address space. SPARC's is at 0xfffff80000000000, where nothing can be in a process of
// the host: this is as far from the program.
constexpr uint64_t kBottomAlpha = 0x20000000000;
constexpr uint64_t kBottomSparc64 = 0x40000000000;

}  // namespace

std::span<const Isa> isas() {
  static const Isa kIsas[] = {
      {"x86_64", "x86_64", "x86_64", "RIP=", kMachineX86_64, true, false, 12, Pairs::Whole, nullptr,
       x86_64_calls(), kProgram64, kTop64},
      {"i386", "i386", "i386", "EIP=", kMachine386, false, false, 12, Pairs::LowFirst, nullptr,
       i386_calls(), 0x400000, 0xb7fff000},
      {"aarch64", "aarch64", "aarch64", " PC=", kMachineAarch64, true, false, 12, Pairs::Whole,
       "/usr/aarch64-linux-gnu", generic_calls(), kProgram64, kTop64},
      {"arm", "arm", "arm", "R15=", kMachineArm, false, false, 12, Pairs::LowFirstAligned,
       "/usr/arm-linux-gnueabihf", arm_calls(), 0x400000, 0xb6fff000},
      {"riscv64", "riscv64", "riscv64", " pc ", kMachineRiscv, true, false, 12, Pairs::Whole,
       "/usr/riscv64-linux-gnu", generic_calls(), kProgramSv39, kTopSv39},
      {"ppc64", "ppc64", "ppc64", "NIP ", kMachinePpc64, true, true, 12, Pairs::Whole,
       "/usr/powerpc64-linux-gnu", ppc64_calls(), kProgramPpc64, kTopPpc64, 0, power_mmap_flags,
       nullptr, nullptr, high_lock_all_flags},
      {"ppc64le", "ppc64le", "ppc64le", "NIP ", kMachinePpc64, true, false, 12, Pairs::Whole,
       "/usr/powerpc64le-linux-gnu", ppc64_calls(), kProgramPpc64, kTopPpc64, 0, power_mmap_flags,
       nullptr, nullptr, high_lock_all_flags},
      {"sparc64", "sparc64", "sparc64", "pc: ", kMachineSparcV9, true, true, 13, Pairs::Whole,
       "/usr/sparc64-linux-gnu", sparc64_calls(), 0, 0, kBottomSparc64, sparc_mmap_flags, nullptr,
       nullptr, high_lock_all_flags, sparc_error},
      {"alpha", "alpha", "alpha", "PC ", kMachineAlpha, true, false, 13, Pairs::Whole,
       "/usr/alpha-linux-gnu", alpha_calls(), 0, 0, kBottomAlpha, alpha_mmap_flags, alpha_advice,
       alpha_sync_flags, high_lock_all_flags, alpha_error},
  };
  return kIsas;
}

const Isa* isa_named(std::string_view name) {
  for (const Isa& isa : isas())
    if (name == isa.name) return &isa;
  return nullptr;
}

const Isa* isa_of_target(std::string_view target) {
  for (const Isa& isa : isas())
    if (target == isa.target) return &isa;
  return nullptr;
}

const Isa* isa_of_elf(uint16_t machine, bool wide, bool big_endian) {
  for (const Isa& isa : isas())
    if (isa.machine == machine && isa.wide == wide && isa.big_endian == big_endian) return &isa;
  return nullptr;
}

const char* name_of_other(Call call) {
  switch (call) {
    case Call::Shmat:
      return "shmat";
    case Call::Shmdt:
      return "shmdt";
    case Call::RemapFilePages:
      return "remap_file_pages";
    case Call::Userfaultfd:
      return "userfaultfd";
    case Call::Mbind:
      return "mbind";
    case Call::MovePages:
      return "move_pages";
    case Call::MigratePages:
      return "migrate_pages";
    case Call::Mseal:
      return "mseal";
    case Call::IoSetup:
      return "io_setup";
    case Call::IoUringSetup:
      return "io_uring_setup";
    default:
      return nullptr;
  }
}

}  // namespace mmusim::record
